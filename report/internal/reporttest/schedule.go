// Package reporttest makes events for the tests of reports: from a schedule that a
// person can read ([Schedule]), of a lab of any size ([Lab]), and such as no sane
// process writes ([Garbage]). It compares with golden files ([Golden]), which
// go test -rewrite writes anew.
package reporttest

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// T0 is the zero of the times of a schedule.
var T0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Sequence is events as package eventlog yields them.
func Sequence(events []eventlog.Event) iter.Seq2[eventlog.Event, error] {
	return func(yield func(eventlog.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Schedule makes events of a schedule, one event a line:
//
//	TIME WHO asks [again] [N of] KEY... [and [N of] KEY...] [shared] [seats=N] [pool=NAME] [count=N hash=H] [lease=D] [prio=N] [store=KIND] [in=WHO]
//	TIME WHO sees [line=TIME] KEY:HOLDER[:STATE[:EXPIRES|:since=TIME]]...   a snapshot of its blockers; since when it is in line
//	TIME WHO errs                                     the store cannot be asked
//	TIME WHO gets [early] KEY...                      early: past others in line
//	TIME WHO quits [OUTCOME] [cause=CAUSE]
//	TIME WHO releases [kept=D] [nth=N] [prepare=D] [restore=D]              of its requests; default the last one
//	TIME WHO fails KEY prepare=D|restore=D [ERROR]     Prepare or Restore
//	TIME WHO loses | expires
//
// WHO is a test, of process WHO unless written WHO@PROCESS; HOLDER is a test, of
// a run whose events are not there if written HOLDER!, by its second request if
// written HOLDER/2.
func Schedule(t testing.TB, text string) []eventlog.Event {
	t.Helper()
	var events []eventlog.Event
	n, failed := map[string]int{}, map[string]int{}
	for l := range strings.Lines(text) {
		l, _, _ = strings.Cut(l, "#")
		w := strings.Fields(l)
		if len(w) == 0 {
			continue
		}
		if len(w) < 3 {
			t.Fatalf("%q has too few words", l)
		}
		at := parseLength(t, w[0])
		who, proc, ok := strings.Cut(w[1], "@")
		if !ok {
			proc = who
		}
		e := eventlog.Event{V: 1, TS: T0.Add(at), At: T0.Add(at), Host: proc, Run: eventlog.RunInfo{ID: "run"}, Test: eventlog.TestInfo{Name: who}}
		again := len(w) > 3 && w[3] == "again" // under another identity, after its Prepare failed
		switch {
		case again:
			w = append(w[:3:3], w[4:]...)
			failed[who]++
		case w[2] == "asks":
			n[who]++
			failed[who] = 0
		}
		e.Req = fmt.Sprint(who, n[who])
		if failed[who] > 0 {
			e.Req += fmt.Sprint("-", failed[who])
		}
		parseVerb(t, &e, w[2], w[3:])
		events = append(events, e)
	}
	return events
}

func parseVerb(t testing.TB, e *eventlog.Event, verb string, args []string) {
	t.Helper()
	switch verb {
	case "asks":
		e.Ev = eventlog.Request
		parseAsks(t, e, args)
	case "sees":
		e.Ev = eventlog.Queue
		parseSees(t, e, args)
	case "errs":
		e.Ev, e.Error = eventlog.Queue, "connection refused"
	case "gets":
		e.Ev = eventlog.Grant
		if len(args) > 0 && args[0] == "early" {
			e.Backfilled = true
			args = args[1:]
		}
		for _, k := range args {
			key, req, several := strings.Cut(k, "/")
			i := 0
			if several {
				i = parseNumber(t, req)
			}
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: key, Req: i})
		}
	case "quits":
		e.Ev, e.Outcome = eventlog.Withdraw, eventlog.TimedOut
		for _, a := range args {
			if cause, ok := strings.CutPrefix(a, "cause="); ok {
				e.Refusal = eventlog.Refusal(cause)
			} else {
				e.Outcome = eventlog.Outcome(a)
			}
		}
	case "releases":
		e.Ev = eventlog.Release
		for _, a := range args {
			switch name, value, _ := strings.Cut(a, "="); name {
			case "nth":
				e.Req = e.Test.Name + value
			case "prepare":
				e.PrepareMS = eventlog.MS(parseLength(t, value))
			case "restore":
				e.RestoreMS = eventlog.MS(parseLength(t, value))
			default:
				e.KeptMS = eventlog.MS(parseLength(t, strings.TrimPrefix(a, "kept=")))
			}
		}
	case "fails":
		e.Ev, e.Chosen, e.Error = eventlog.Unfit, []eventlog.Chosen{{Key: args[0]}}, strings.Join(args[2:], " ")
		if d, ok := strings.CutPrefix(args[1], "restore="); ok {
			e.RestoreMS = eventlog.MS(parseLength(t, d))
		} else {
			e.PrepareMS = eventlog.MS(parseLength(t, strings.TrimPrefix(args[1], "prepare=")))
		}
	case "loses":
		e.Ev = eventlog.Lost
	case "expires":
		e.Ev = eventlog.Expired
	default:
		t.Fatalf("unknown verb %q; known: %q", verb, slices.Sorted(slices.Values([]string{"asks", "sees", "errs", "gets", "quits", "releases", "fails", "loses", "expires"})))
	}
}

func parseLength(t testing.TB, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseNumber(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseAsks(t testing.TB, e *eventlog.Event, args []string) {
	t.Helper()
	e.Reqs = []eventlog.Requirement{{}}
	for i, a := range args {
		r := &e.Reqs[len(e.Reqs)-1]
		name, value, opt := strings.Cut(a, "=")
		number, err := strconv.Atoi(a)
		switch {
		case a == "and":
			e.Reqs = append(e.Reqs, eventlog.Requirement{})
		case a == "shared":
			r.Shared = true
		case a == "of":
		case err == nil && i+1 < len(args) && args[i+1] == "of":
			r.Need = number
		case opt && name == "seats":
			r.Seats = parseNumber(t, value)
		case opt && name == "pool":
			r.Name = value
		case opt && name == "count":
			r.Count = parseNumber(t, value)
		case opt && name == "hash":
			r.Hash = value
		case opt && name == "lease":
			e.LeaseMS = eventlog.MS(parseLength(t, value))
		case opt && name == "store":
			e.Store = value
		case opt && name == "in":
			e.Parent = value + "1" // its first request: a schedule needs no other
		case opt && name == "prio":
			e.Priority = parseNumber(t, value)
		case opt:
			t.Fatalf("unknown option %q", a)
		default:
			r.Candidates = append(r.Candidates, a)
		}
	}
}

func parseSees(t testing.TB, e *eventlog.Event, args []string) {
	t.Helper()
	for _, a := range args {
		if d, ok := strings.CutPrefix(a, "line="); ok {
			e.Since = T0.Add(parseLength(t, d))
			continue
		}
		f := append(strings.Split(a, ":"), "", "", "") // what is left out is empty
		b := eventlog.Blocker{Key: f[0], Test: f[1], Run: "run", State: f[2]}
		if name, ok := strings.CutSuffix(f[1], "!"); ok {
			b.Test, b.Run = name, "elsewhere"
		} else {
			name, n, ok := strings.Cut(f[1], "/")
			if !ok {
				n = "1"
			}
			b.Test, b.Req = name, name+n
		}
		if b.State == "reserved" || b.State == "disabled" { // by a person
			b.User, b.Test = b.Test, ""
		}
		if d, ok := strings.CutPrefix(f[3], "since="); ok {
			b.Since = T0.Add(parseLength(t, d))
		} else if f[3] != "" {
			b.Expires = T0.Add(parseLength(t, f[3]))
		}
		e.Blockers = append(e.Blockers, b)
	}
}
