//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import (
	"errors"
	"os"
)

func flockFile(*os.File) error { return errors.ErrUnsupported }
