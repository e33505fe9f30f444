//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import "errors"

func listenFIFO(*folders, string) (receiver, error) { return nil, errors.ErrUnsupported }

func callFIFO(*folders, string, []byte) bool { return false }

// A wakeWriter is a way to wake another process that is kept open: here there is none.
type wakeWriter struct{ id string }

func openWriter(*folders, string) wakeWriter { return wakeWriter{} }
func (wakeWriter) send([]byte) bool          { return false }
func (wakeWriter) close()                    {}
