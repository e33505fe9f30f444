package locktest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func (s *story) ticket(t *testing.T, d *datadriven.TestData, name string) *lockcore.Ticket {
	tk := &lockcore.Ticket{ID: name, Owner: lockcore.Owner{Test: name}, TTL: argDuration(t, d, "ttl", 30*time.Second), Wait: !d.HasArg("once")}
	tk.Expect = argDuration(t, d, "expect", 0)
	if tk.For = argDuration(t, d, "for", 0); tk.For > 0 {
		tk.Owner = lockcore.Owner{User: name} // a person reserves: nothing is learned about a test
	}
	d.MaybeScanArgs(t, "priority", &tk.Priority)
	d.MaybeScanArgs(t, "test", &tk.Owner.Test)
	if a, ok := d.Arg("parents"); ok {
		for _, name := range a.Vals {
			tk.Parents = append(tk.Parents, s.id(name))
		}
	}
	for line := range strings.Lines(d.Input) {
		r, err := parseRequirement(strings.Fields(line))
		must(t, err)
		tk.Requirements = append(tk.Requirements, r)
	}
	return tk
}

// parseRequirement reads "2 of a b c", with "shared", "seats=3", "inorder", "lru" or
// "name=…" behind it. Candidates are taken in their order unless lru is said: a story
// has one end.
func parseRequirement(words []string) (lockcore.Requirement, error) {
	var n int
	err := errors.New("too few words")
	if len(words) > 2 && words[1] == "of" {
		n, err = strconv.Atoi(words[0])
	}
	if err != nil {
		return lockcore.Requirement{}, fmt.Errorf("a requirement is like \"2 of a b c\", not %q", strings.Join(words, " "))
	}
	r := lockcore.Requirement{Need: n, Choice: lockcore.InOrder}
	for _, w := range words[2:] {
		switch k, v, _ := strings.Cut(w, "="); k {
		case "shared":
			r.Shared = true
		case "inorder": // as it is anyway
		case "lru":
			r.Choice = lockcore.LeastRecentlyUsed
		case "seats":
			if r.Seats, err = strconv.Atoi(v); err != nil || r.Seats < 1 { // 0 would be exclusive
				return r, fmt.Errorf("%q: the seats of a resource are a number above 0", w)
			}
		case "name":
			r.Name = v
		default:
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: w})
		}
	}
	return r, nil
}

func argDuration(t *testing.T, d *datadriven.TestData, key string, def time.Duration) time.Duration {
	v := ""
	d.MaybeScanArgs(t, key, &v)
	if v == "" {
		return def
	}
	return parseDuration(t, v)
}

func parseDuration(t *testing.T, v string) time.Duration {
	d, err := time.ParseDuration(v)
	must(t, err)
	return d
}
