package locktest

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// served tells of the waiters that were granted since the last directive.
func (s *story) served(t *testing.T, out *strings.Builder) {
	snap := s.snapshot(t)
	slices.SortFunc(snap.Holders, func(a, b lockcore.Holder) int { return cmp.Compare(a.Token, b.Token) })
	for _, h := range snap.Holders {
		name := nameOf(h.ID)
		tk := s.tickets[name]
		if tk == nil {
			continue // it stands in for a lease that expired, or keeps a key out of service
		}
		if g := s.grants[name]; g == nil || g.Token != h.Token {
			s.grants[name] = &lockcore.Grant{Ticket: tk, Obtained: h.Obtained, Token: h.Token}
		}
		s.number(h.Token)
		if h.State == "granted" && !s.told[h.Token] {
			s.told[h.Token] = true
			fmt.Fprintf(out, "%s now has %v%s\n", name, h.Obtained, pastOthers(s.past[h.Token]))
		}
	}
}

func pastOthers(past bool) string {
	if past {
		return ", past others"
	}
	return ""
}

// number is how many grants there were up to this token: what it would be if every
// grant had the next number.
func (s *story) number(token uint64) int {
	i, found := slices.BinarySearch(s.tokens, token)
	if !found {
		s.tokens = slices.Insert(s.tokens, i, token)
	}
	return i + 1
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

func (s *story) ticket(t *testing.T, d *datadriven.TestData, name string) *lockcore.Ticket {
	tk := &lockcore.Ticket{ID: name, Owner: lockcore.Owner{Test: name}, TTL: argDuration(t, d, "ttl", 30*time.Second), Wait: !d.HasArg("once")}
	tk.Expect = argDuration(t, d, "expect", 0)
	if tk.For = argDuration(t, d, "for", 0); tk.For > 0 {
		tk.Owner = lockcore.Owner{User: name}
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

func (s *story) show(t *testing.T, out *strings.Builder) {
	snap := s.snapshot(t)
	// A store may count in microseconds, or take the token for the time of the grant.
	since := func(at time.Time) time.Duration { return at.Sub(s.start).Round(time.Millisecond) }
	for _, h := range snap.Holders {
		until := "enabled"
		if !h.Expires.IsZero() {
			until = since(h.Expires).String()
		}
		if name := nameOf(h.ID); h.State == "disabled" {
			fmt.Fprintf(out, "%v disabled by %s since %s until %s", h.Keys(), h.Owner, since(h.Since), until)
		} else {
			fmt.Fprintf(out, "%s %s %v since %s until %s", name, h.State, h.Obtained, since(h.Since), until)
		}
		if h.Reason != "" {
			fmt.Fprintf(out, " (%s)", h.Reason)
		}
		fmt.Fprintln(out)
	}
	for _, w := range snap.Waiters {
		fmt.Fprintf(out, "%s waits, reserved %v\n", nameOf(w.ID), slices.Sorted(slices.Values(w.Reserved)))
	}
	if len(snap.Holders)+len(snap.Waiters) == 0 {
		fmt.Fprintln(out, "nobody")
	}
}

func (s *story) why(t *testing.T, name string, out *strings.Builder) {
	snap := s.snapshot(t)
	e := &lockcore.BusyError{}
	e.Position, e.Blockers = snap.Blockers(&lockcore.Waiter{ID: s.id(name), Requirements: s.tickets[name].Requirements})
	fmt.Fprintf(out, "place %d\n", e.Position)
	for _, b := range e.Blockers {
		fmt.Fprintf(out, "%s: %s %s\n", b.Key, b.State, nameOf(b.ID))
	}
	if err := snap.Deadlock(s.id(name)); err != nil {
		fmt.Fprintln(out, strings.ReplaceAll(err.Error(), again, ""))
	}
}

var (
	whichKey = regexp.MustCompile(`"[^"\n]*" was given`)
	whenAsks = regexp.MustCompile(`(?m)^waits, asks again in .*$`)
	nowHas   = regexp.MustCompile(`(?m)^(.* now has .*?)(, past others)?$`)
)

// common is what every store says of it. One says which key of a lease was given
// away; a few tell a waiter only that it was granted, and not what.
func (s *story) common(text string) string {
	text = whichKey.ReplaceAllString(text, "its keys were given")
	text = strings.ReplaceAll(text, " or taken out of service since", " since")
	if !s.Polls {
		text = whenAsks.ReplaceAllString(text, "waits")
	}
	if len(s.past) == 0 {
		text = nowHas.ReplaceAllString(text, "$1")
	}
	return text
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
