package rtest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every test binary that uses rtest links all stores, and few use more than one: so
// scripts, tables and patterns are made when they are needed, not at the start.
func TestPackagesMakeLittleAtTheStart(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t, "scenarios"), "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum := 0
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @.* clock, (\d+) bytes`).FindAllStringSubmatch(string(out), -1) {
		if !strings.HasPrefix(m[1], "github.com/resourcelocker/") {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
		if n > 32<<10 {
			t.Errorf("%s makes %d bytes when it is initialised", m[1], n)
		}
	}
	if sum == 0 {
		t.Errorf("no package of the module is listed:\n%s", out)
	}
}
