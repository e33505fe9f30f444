//go:build !unix && !windows

package filestore

func isReadOnly(error) bool { return false }
func isFull(error) bool     { return false }
func isLockless(error) bool { return false }
