package filestore

import (
	"fmt"
	"io/fs"
)

// openMode says what a file is opened for.
type openMode int

const (
	forTest     openMode = iota // look and test its lock
	forChange                   // read, write and lock
	forCreation                 // the same, and make it if there is none
	forNew                      // the same, and fail if there is one
)

// identity tells one file of the machine from another, whatever its name.
type identity struct{ dev, ino uint64 }

// info is what an open file says about itself.
type info struct {
	identity
	regular bool
	size    int64
	links   uint64 // how many names it has; 0: it was deleted
	uid     uint32
}

// A strangeError tells of something that this program cannot have made. In a
// directory that others may write to, following it could change a file of this
// user somewhere else.
type strangeError struct{ path, what string }

func (e *strangeError) Error() string {
	return fmt.Sprintf("%s is %s, which this program never makes: see who put it there (ls -ld %[1]s), then delete it", e.path, e.what)
}

// kindOf names what is no regular file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsRegular():
		return "a file"
	}
	return "something strange"
}
