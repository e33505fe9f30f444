package overlap

import "syscall"

// A file that is open without being shared cannot be opened again; readers
// share it with readers.
func lock(name string, shared bool) (unlock func(), err error) {
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	access, share := uint32(syscall.GENERIC_READ|syscall.GENERIC_WRITE), uint32(0)
	if shared {
		access, share = syscall.GENERIC_READ, syscall.FILE_SHARE_READ
	}
	h, err := syscall.CreateFile(p, access, share, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, err
	}
	return func() { syscall.CloseHandle(h) }, nil
}
