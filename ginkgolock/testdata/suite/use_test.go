package suite

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// use fails the spec when somebody else uses one of the keys. A mark that a
// killed process left does not count. The mark is linked, so that it is never
// there without the process's id in it.
func use(keys []string) (done func()) {
	me := work(fmt.Sprint("process-", os.Getpid()))
	Expect(os.WriteFile(me, fmt.Append(nil, os.Getpid()), 0o600)).To(Succeed())
	for _, k := range keys {
		mark := work("use-" + k)
		for os.Link(me, mark) != nil {
			b, err := os.ReadFile(mark)
			if err != nil {
				continue // it was taken away meanwhile
			}
			if pid, err := strconv.Atoi(string(b)); err != nil || pid == os.Getpid() || !dead(pid) {
				say("overlap %s", k)
				Fail("somebody else uses " + k)
			}
			Expect(os.Remove(mark)).To(Succeed())
		}
	}
	return func() {
		for _, k := range keys {
			os.Remove(work("use-" + k))
		}
	}
}

// dead reports whether a process was killed, even if nobody has waited for it
// yet or the kernel is still at it: its resources are free before it is gone.
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) != nil
	}
	// After the name, which is in parentheses: the state, and as the seventh the
	// flags, of which 4 says that the process is on its way out.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	flags, _ := strconv.Atoi(fields[6])
	return fields[0] == "Z" || fields[0] == "X" || flags&4 != 0
}
