//go:build darwin || freebsd

package filestore

import "golang.org/x/sys/unix"

// networkFS names the file system of dir if it is not on a local disk, and is
// empty otherwise.
func networkFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || uint64(st.Flags)&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(st.Fstypename[:])
}
