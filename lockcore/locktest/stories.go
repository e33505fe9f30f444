package locktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestStories plays the stories of a directory, a file each: scripts that say who
// asks for what and who gets it. A story is one of every store that serves in order,
// so what the scheduler does in it, every such store does.
//
// The expectations are those of the scheduler: rewrite them with `go test -run
// Stories -rewrite ./lockcore/internal/sched`, and read the diff. Where a store may
// say the same in other words, or tell less, the two are compared without that.
func TestStories(t *testing.T, dir string, play Play) {
	datadriven.Walk(t, dir, func(t *testing.T, path string) {
		play(t, func(t *testing.T, stage Stage) {
			s := &story{Stage: stage, tickets: make(map[string]*lockcore.Ticket), over: make(map[string]bool), procs: make(map[string]string),
				grants: make(map[string]*lockcore.Grant), told: make(map[uint64]bool), past: make(map[uint64]bool)}
			s.start = s.Now()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out := s.run(t, d)
				if s.common(out) == s.common(d.Expected) {
					return d.Expected
				}
				return out
			})
		})
	})
}

// A story is a store with names for its tickets.
type story struct {
	Stage
	policy lockcore.QueuePolicy
	delay  time.Duration
	opened lockcore.Store
	start  time.Time

	tickets map[string]*lockcore.Ticket
	over    map[string]bool            // names that were given back or withdrawn: the next request of one is a new ticket
	procs   map[string]string          // name -> its process
	grants  map[string]*lockcore.Grant // name -> the latest grant
	tokens  []uint64                   // in the order of the grants
	told    map[uint64]bool            // grants that were told of, by token
	past    map[uint64]bool            // token -> whether it was let past others, as far as the store told
}

func (s *story) store() lockcore.Store {
	if s.opened == nil {
		s.opened = s.Open(s.policy, s.delay)
	}
	return s.opened
}

// run handles one directive. Each ends with the waiters that it got served.
func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	name := ""
	if len(d.CmdArgs) > 0 && len(d.CmdArgs[0].Vals) == 0 {
		name = d.CmdArgs[0].Key
	}
	switch d.Cmd {
	case "policy": // policy fifo
		must(t, s.policy.UnmarshalText([]byte(name)))
		return "ok\n"
	case "delay": // delay 5s: the lock delay of the store
		s.delay = parseDuration(t, name)
		return "ok\n"
	case "after": // after 10ms: time passes, and what is due happens
		s.store()
		s.Pass(parseDuration(t, name))
	case "ask": // ask NAME [priority=] [ttl=] [waited=] [expect=] [for=] [test=] [proc=] [parents=(…)] [once], a requirement a line
		s.ask(t, d, name, &out)
	case "extend", "giveback", "disable", "enable":
		s.reservation(t, d, name, &out)
	case "release": // release NAME [keep=] [failed]
		g := *s.grantOf(name)
		if d.HasArg("failed") {
			g.Ending = lockcore.TestFailed
		}
		err := s.store().Release(t.Context(), &g, argDuration(t, d, "keep", 0))
		if errors.Is(err, lockcore.ErrNotHeld) {
			out.WriteString("not held\n")
		} else {
			must(t, err)
			s.over[name] = true
		}
	case "renew": // renew NAME
		errs, err := s.store().Renew(t.Context(), []*lockcore.Grant{s.grantOf(name)})
		must(t, err)
		if errs[0] != nil {
			fmt.Fprintln(&out, errs[0])
		}
	case "withdraw": // withdraw NAME
		must(t, s.store().Withdraw(t.Context(), s.grantOf(name).Ticket.ID))
		s.over[name] = true
	case "free": // free KEY
		freed, err := s.store().Free(t.Context(), name, "freed by hand")
		if !errors.Is(err, lockcore.ErrNotHeld) {
			must(t, err)
		}
		for _, h := range freed {
			fmt.Fprintf(&out, "took %v from %s\n", h.Keys(), nameOf(h.ID))
		}
	case "reap": // reap PROC: it has died
		s.reap(t, name)
	case "show": // show: holders, then waiters in line with what is reserved for them
		s.show(t, &out)
	case "why": // why NAME: the standing of a waiter, as its error words it
		s.why(t, name, &out)
	default:
		t.Fatalf("unknown directive %q", d.Cmd)
	}
	s.served(t, &out)
	if out.Len() == 0 {
		return "ok\n"
	}
	return out.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// id is that of the latest ticket of the name; nobody has to have it yet.
func (s *story) id(name string) string {
	if t := s.tickets[name]; t != nil {
		return t.ID
	}
	return name
}

// grantOf is the latest grant of a ticket, or one of nothing.
func (s *story) grantOf(name string) *lockcore.Grant {
	if g := s.grants[name]; g != nil {
		return g
	}
	t := s.tickets[name]
	if t == nil {
		t = &lockcore.Ticket{ID: name}
	}
	return &lockcore.Grant{Ticket: t}
}

func (s *story) snapshot(t *testing.T) lockcore.Snapshot {
	t.Helper()
	if s.Settle != nil {
		s.Settle()
	}
	snap, err := s.store().Snapshot(t.Context())
	must(t, err)
	if s.Settle != nil {
		s.Settle()
	}
	return snap
}

func (s *story) ask(t *testing.T, d *datadriven.TestData, name string, out *strings.Builder) {
	tk := s.tickets[name]
	switch {
	case tk == nil:
		tk = s.ticket(t, d, name)
	case s.over[name]:
		last := tk.ID
		tk = s.ticket(t, d, name)
		tk.ID = last + again
		delete(s.over, name)
		delete(s.grants, name)
	case d.Input != "":
		last := tk
		tk = s.ticket(t, d, name)
		tk.ID, tk.Revision = last.ID, last.Revision+1
	}
	s.tickets[name] = tk
	tk.Waited = argDuration(t, d, "waited", 0)
	store := s.store()
	if a, ok := d.Arg("proc"); ok {
		s.procs[name] = a.Vals[0]
		if s.As != nil {
			store = s.As(a.Vals[0])
		}
	}
	c := *tk
	ans, err := store.Ask(t.Context(), &c, func(g *lockcore.Grant) {
		if g != nil {
			s.past[g.Token] = g.Backfilled
		}
	})
	must(t, err)
	switch g := ans.Grant; {
	case g != nil:
		s.grants[name] = g
		fmt.Fprintf(out, "granted %v, token %d%s\n", g.Obtained, s.number(g.Token), pastOthers(g.Backfilled))
		if len(g.Last) > 0 {
			fmt.Fprintf(out, "the last uses: %v\n", g.Last)
		}
	case tk.Wait:
		fmt.Fprintf(out, "waits, asks again in %s\n", ans.Poll)
		if len(ans.Disabled) > 0 {
			fmt.Fprintf(out, "out of service: %v\n", slices.Sorted(slices.Values(ans.Disabled)))
		}
	default:
		fmt.Fprintln(out, "busy")
	}
}

// again marks the ID of a request whose name had another one before.
const again = "~"

// nameOf is the name of a ticket in the story.
func nameOf(id string) string { return strings.TrimRight(id, again) }

// reap takes from a process what it has: the process dies, or everything is
// withdrawn and freed by hand.
func (s *story) reap(t *testing.T, proc string) {
	if s.Reap != nil {
		s.Reap(proc)
		return
	}
	snap := s.snapshot(t)
	for _, w := range snap.Waiters {
		if s.procs[nameOf(w.ID)] == proc {
			must(t, s.store().Withdraw(t.Context(), w.ID))
		}
	}
	for _, h := range snap.Holders {
		if s.procs[nameOf(h.ID)] == proc && h.State != "kept" && h.State != "reserved" {
			_, err := s.store().Free(t.Context(), h.Keys()[0], "its process was found dead")
			must(t, err)
		}
	}
}

// reservation handles what is done to reserved and disabled keys.
func (s *story) reservation(t *testing.T, d *datadriven.TestData, name string, out *strings.Builder) {
	var names []string // the arguments without a value
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			names = append(names, a.Key)
		}
	}
	held := func(err error) bool {
		if !errors.Is(err, lockcore.ErrNotHeld) {
			must(t, err)
			return true
		}
		out.WriteString("not held\n")
		return false
	}
	switch d.Cmd {
	case "extend": // extend NAME by=1h
		if end, err := s.store().ExtendReservation(t.Context(), s.id(name), argDuration(t, d, "by", 0)); held(err) {
			fmt.Fprintf(out, "until %s\n", end.Sub(s.start).Round(time.Millisecond))
		}
	case "giveback": // giveback NAME KEY…
		held(s.store().EndReservation(t.Context(), s.id(name), names[1:]))
	case "disable": // disable KEY… [now=yes] [for=] [by=]
		o := lockcore.Outage{Keys: names, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke", Now: d.HasArg("now"), For: argDuration(t, d, "for", 0)}
		d.MaybeScanArgs(t, "by", &o.Owner.User)
		holders, err := s.store().Disable(t.Context(), o)
		must(t, err)
		for _, h := range holders {
			fmt.Fprintf(out, "%v held by %s\n", h.Keys(), nameOf(h.ID))
		}
	case "enable": // enable KEY…
		enabled, err := s.store().Enable(t.Context(), names)
		must(t, err)
		for _, h := range enabled {
			fmt.Fprintf(out, "%v in service\n", h.Keys())
		}
	}
}
