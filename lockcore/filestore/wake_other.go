//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import "errors"

func listenFIFO(*folders, string) (receiver, error) { return nil, errors.ErrUnsupported }

func callFIFO(*folders, string, []byte) bool { return false }
