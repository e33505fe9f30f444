package ginkgolock

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// labelPrefix begins the labels that this package understands. Ginkgo takes what
// is before the colon for the key of a set, so that
// --label-filter='lock: containsAny k64f*2' selects.
const labelPrefix = "lock:"

// wanted is what a label asks for.
type wanted struct {
	pool   string
	n      int
	shared bool
}

// parseLock reads NAME, NAME*COUNT, NAME:shared or NAME*COUNT:shared.
func parseLock(s string) (wanted, error) {
	w := wanted{n: 1}
	rest, mode, ok := strings.Cut(s, ":")
	if ok {
		if mode != "shared" {
			return w, fmt.Errorf("%q: after the colon comes %q; the only word there is shared", s, mode)
		}
		w.shared = true
	}
	name, count, ok := strings.Cut(rest, "*")
	w.pool = name
	if err := checkName(name); err != nil {
		return w, err // before the count, whose words write the name as it is
	}
	if ok {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || strings.HasPrefix(count, "+") {
			return w, fmt.Errorf("%q: the count %q is no number above 0; write %s*2, say", s, count, name)
		}
		w.n = n
	}
	return w, nil
}

// notInNames are what Ginkgo refuses in a label or takes for part of a filter,
// and what separates the name from what follows.
const notInNames = "&|!,()/{}*:"

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name of the pool is empty")
	case strings.ContainsAny(name, notInNames):
		return fmt.Errorf("the name of a pool cannot contain any of %s: %q", notInNames, name)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("the name of a pool cannot contain spaces, a label filter would not find it: %q", name)
	}
	return nil
}
