//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import "sync/atomic"

// A meddler stands in the way of what changes the directory, in tests, and sees what
// is read. It is told what is done to which file, where and to how many bytes, and
// says how many of them are done before the error, if it returns one, ends it.
type meddler func(op, path string, at int64, n int) (done int, err error)

var meddling atomic.Pointer[meddler]

func meddle(op, path string, at int64, n int) (int, error) {
	if m := meddling.Load(); m != nil {
		return (*m)(op, path, at, n)
	}
	return n, nil
}
