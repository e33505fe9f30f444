package judge

import (
	"errors"
	"syscall"
)

// A use is an open file. One that is open without being shared cannot be opened again;
// readers share it with readers.
type use struct {
	n      int
	shared bool
	handle syscall.Handle
}

// sharingViolation is ERROR_SHARING_VIOLATION.
const sharingViolation = syscall.Errno(32)

func (u *use) lock(name string, shared bool) error {
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	access, share := uint32(syscall.GENERIC_READ|syscall.GENERIC_WRITE), uint32(0)
	if shared {
		access, share = syscall.GENERIC_READ, syscall.FILE_SHARE_READ
	}
	u.handle, err = syscall.CreateFile(p, access, share, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return ErrInUse
	}
	return err
}

func (u *use) unlock() { _ = syscall.CloseHandle(u.handle) }
