package filestore

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lockHolder says who has locked the file, for a message. flock(2) itself does
// not tell, but the kernel lists all locks; in a container it may hide those of
// others.
func lockHolder(f file) string {
	var st unix.Stat_t
	text, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(f.fd, &st) != nil {
		return anotherProcess
	}
	return flockHolder(string(text), fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino))
}

// flockHolder finds the pid in the text of /proc/locks.
func flockHolder(locks, inode string) string {
	for line := range strings.Lines(locks) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:01:42 0 EOF
		f := strings.Fields(line)
		if len(f) >= 6 && f[1] == "FLOCK" && f[3] == "WRITE" && f[5] == inode {
			return "process " + f[4]
		}
	}
	return anotherProcess
}

// anotherProcess is one that the kernel does not name.
const anotherProcess = "another process"
