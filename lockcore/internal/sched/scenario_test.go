package sched

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestScenarios runs the stories under testdata/stories. Rewrite their expectations
// with `go test -run Scenarios -rewrite`, and read the diff.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{rnd: rand.New(rand.NewPCG(1, 2)), tickets: make(map[string]*lockcore.Ticket)}
		datadriven.RunTest(t, path, s.run)
	})
}

// A story is a state with names for its tickets.
type story struct {
	state   State
	now     time.Duration
	rnd     *rand.Rand
	tickets map[string]*lockcore.Ticket
}

func (s *story) at() int64 { return int64(s.now) }

// run handles one directive. Each ends with the waiters that it got served.
func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	name := ""
	if len(d.CmdArgs) > 0 && len(d.CmdArgs[0].Vals) == 0 {
		name = d.CmdArgs[0].Key
	}
	switch d.Cmd {
	case "policy": // policy fifo
		if err := s.state.Policy.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
	case "delay": // delay 5s: the lock delay of the state
		s.state.LockDelay = mustDuration(t, name)
	case "after": // after 10ms: time passes, and what is due happens
		s.now += mustDuration(t, name)
		s.state.Tick(s.at(), s.rnd.IntN)
	case "ask": // ask NAME [priority=] [ttl=] [waited=] [expect=] [test=] [proc=] [parents=(…)] [once], a requirement a line
		s.ask(t, d, name, &out)
	case "release": // release NAME [keep=]
		keep := s.duration(t, d, "keep", 0)
		if !s.state.Release(s.at(), name, keep, s.rnd.IntN) {
			out.WriteString("not held\n")
		}
	case "renew": // renew NAME
		g := &lockcore.Grant{Ticket: s.tickets[name]}
		if l := s.state.lapsed[name]; l != nil {
			g.Obtained = l.obtained
		}
		if err := s.state.Renew(s.at(), g, s.rnd.IntN); err != nil {
			fmt.Fprintln(&out, err)
		}
	case "withdraw": // withdraw NAME
		s.state.Withdraw(s.at(), name, s.rnd.IntN)
	case "free": // free KEY
		for _, h := range s.state.Free(s.at(), name, "freed by hand", s.rnd.IntN) {
			fmt.Fprintf(&out, "took %v from %s\n", h.Keys(), h.ID)
		}
	case "reap": // reap PROC
		s.state.Reap(s.at(), func(p string) bool { return p == name }, s.rnd.IntN)
	case "show": // show: holders, then waiters in line with what is reserved for them
		s.show(&out)
	case "why": // why NAME: the standing of a waiter, as its error words it
		s.why(name, &out)
	default:
		t.Fatalf("unknown directive %q", d.Cmd)
	}
	for _, g := range s.state.TakeGranted() {
		l := s.state.leases[g.ID]
		fmt.Fprintf(&out, "%s now has %v%s\n", g.ID, l.obtained, map[bool]string{true: ", past others"}[l.backfilled])
	}
	s.recode(t)
	if out.Len() == 0 {
		return "ok\n"
	}
	return out.String()
}

func (s *story) why(name string, out *strings.Builder) {
	snap := s.state.Snapshot(s.at(), s.rnd.IntN)
	e := &lockcore.BusyError{}
	e.Position, e.Blockers = snap.Blockers(&lockcore.Waiter{ID: name, Requirements: s.tickets[name].Requirements})
	fmt.Fprintf(out, "place %d\n", e.Position)
	for _, b := range e.Blockers {
		fmt.Fprintf(out, "%s: %s %s\n", b.Key, b.State, b.ID)
	}
	if err := snap.Deadlock(name); err != nil {
		fmt.Fprintln(out, err)
	}
}

// recode puts the state through its encoding after every directive, so that
// every story is one about the codec, too.
func (s *story) recode(t *testing.T) {
	delay, history := s.state.LockDelay, s.state.History
	again, err := Decode(s.state.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	s.state = *again
	s.state.LockDelay, s.state.History = delay, history
}

func (s *story) ask(t *testing.T, d *datadriven.TestData, name string, out *strings.Builder) {
	tk := s.tickets[name]
	if tk == nil || d.Input != "" {
		rev := 0
		if tk != nil {
			rev = tk.Revision + 1
		}
		tk = &lockcore.Ticket{ID: name, Owner: lockcore.Owner{Test: name}, TTL: s.duration(t, d, "ttl", 30*time.Second), Wait: !d.HasArg("once"), Revision: rev}
		tk.Expect = s.duration(t, d, "expect", 0)
		d.MaybeScanArgs(t, "priority", &tk.Priority)
		d.MaybeScanArgs(t, "test", &tk.Owner.Test)
		if a, ok := d.Arg("parents"); ok {
			tk.Parents = a.Vals
		}
		for line := range strings.Lines(d.Input) {
			tk.Requirements = append(tk.Requirements, parseRequirement(t, strings.Fields(line)))
		}
		s.tickets[name] = tk
	}
	tk.Waited = s.duration(t, d, "waited", 0)
	proc := ""
	d.MaybeScanArgs(t, "proc", &proc)
	g, poll := s.state.Ask(s.at(), tk, proc, s.rnd.IntN)
	switch {
	case g != nil:
		fmt.Fprintf(out, "granted %v, token %d%s\n", g.Obtained, g.Token, map[bool]string{true: ", past others"}[g.Backfilled])
	case tk.Wait:
		fmt.Fprintf(out, "waits, asks again in %s\n", poll)
	default:
		fmt.Fprintln(out, "busy")
	}
}

// parseRequirement reads "2 of a b c", with "shared", "seats=3", "inorder",
// "lru" or "name=…" behind it.
func parseRequirement(t *testing.T, words []string) lockcore.Requirement {
	var r lockcore.Requirement
	n, err := strconv.Atoi(words[0])
	if err != nil || words[1] != "of" {
		t.Fatalf("a requirement is like \"2 of a b c\", not %q", words)
	}
	r.Need = n
	for _, w := range words[2:] {
		switch k, v, _ := strings.Cut(w, "="); k {
		case "shared":
			r.Shared = true
		case "inorder":
			r.Choice = lockcore.InOrder
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

func (s *story) show(out *strings.Builder) {
	snap := s.state.Snapshot(s.at(), s.rnd.IntN)
	since := func(at time.Time) string { return time.Duration(at.UnixNano()).String() }
	for _, h := range snap.Holders {
		fmt.Fprintf(out, "%s %s %v since %s until %s", h.ID, h.State, h.Obtained, since(h.Since), since(h.Expires))
		if h.Reason != "" {
			fmt.Fprintf(out, " (%s)", h.Reason)
		}
		fmt.Fprintln(out)
	}
	for _, w := range snap.Waiters {
		fmt.Fprintf(out, "%s waits, reserved %v\n", w.ID, w.Reserved)
	}
	if len(snap.Holders)+len(snap.Waiters) == 0 {
		fmt.Fprintln(out, "nobody")
	}
}

func (s *story) duration(t *testing.T, d *datadriven.TestData, key string, def time.Duration) time.Duration {
	v := ""
	d.MaybeScanArgs(t, key, &v)
	if v == "" {
		return def
	}
	return mustDuration(t, v)
}

func mustDuration(t *testing.T, v string) time.Duration {
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
