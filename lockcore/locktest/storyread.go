package locktest

import (
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
		tk.Requirements = append(tk.Requirements, parseRequirement(t, strings.Fields(line)))
	}
	return tk
}

// parseRequirement reads "2 of a b c", with "shared", "seats=3", "inorder", "lru" or
// "name=…" behind it. Candidates are taken in their order unless lru is said: a story
// has one end.
func parseRequirement(t *testing.T, words []string) lockcore.Requirement {
	n, err := strconv.Atoi(words[0])
	if err != nil || words[1] != "of" {
		t.Fatalf("a requirement is like \"2 of a b c\", not %q", words)
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
			r.Seats, _ = strconv.Atoi(v)
		case "name":
			r.Name = v
		default:
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: w})
		}
	}
	return r
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
