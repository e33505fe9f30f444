package filestore

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// passwd lists the users of this machine and their homes.
var passwd = "/etc/passwd" // a test has its own

// neighbours finds the default stores of other users in which somebody lives. It
// only looks: to try the lock of a process that is about to take it would be in
// its way.
func neighbours(passwd string, own *location) (found []neighbour) {
	list, err := os.Open(passwd)
	if err != nil {
		return nil
	}
	defer list.Close()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	mine, err := os.Stat(own.dir)
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for lines := bufio.NewScanner(list); lines.Scan(); {
		f := strings.Split(lines.Text(), ":") // name:password:uid:gid:gecos:home:shell
		if len(f) < 6 || !filepath.IsAbs(f[5]) || seen[f[5]] {
			continue
		}
		seen[f[5]] = true
		dir := filepath.Join(f[5], ".cache", "rtest")
		st, err := os.Stat(dir)
		if err != nil || os.SameFile(st, mine) {
			continue
		}
		procs := filepath.Join(dir, own.name, procsName)
		entries, _ := os.ReadDir(procs) // who may not look sees nothing
		for _, e := range entries {
			if process := lockedBy(filepath.Join(procs, e.Name()), string(locks)); process != "" {
				found = append(found, neighbour{f[0], dir, process})
				break
			}
		}
	}
	return found
}

// lockedBy names the process that has locked a file, or is empty.
func lockedBy(path, locks string) string {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return ""
	}
	who := flockHolder(locks, fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino))
	if who == anotherProcess {
		return "" // nobody has
	}
	return who
}
