package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestGarbageIsNoError folds events that no sane process writes: whatever they
// say, the fold neither fails nor loses a microsecond, and every report prints.
func TestGarbageIsNoError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := garbage(t)
		rep, err := Fold(sequence(events), Options{Replay: 5, OnRequest: func(r *Request) {
			var sum time.Duration
			for _, s := range r.Blame {
				if s.Time <= 0 {
					t.Errorf("a share of %v", s.Time.Duration())
				}
				sum += s.Time.Duration()
			}
			if sum != r.Waited {
				t.Errorf("waited %v, blame sums to %v", r.Waited, sum)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range append(rep.Resources, rep.Pools...) {
			if g.Utilisation < 0 || g.Utilisation > 1 || math.IsNaN(g.Utilisation) {
				t.Errorf("%q is used %v", g.Name, g.Utilisation)
			}
		}
		var b bytes.Buffer
		if err := rep.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		// There may be an estimate, or none, but nothing worse.
		if _, err := Estimate(sequence(events), WhatIf{Seeds: 1}); err != nil && !errors.Is(err, ErrNoEstimate) {
			t.Error(err)
		}
	})
}

// garbage is events that make little sense.
func garbage(t *rapid.T) []eventlog.Event {
	kinds := []eventlog.Kind{eventlog.Run, eventlog.Pool, eventlog.Request, eventlog.Request, eventlog.Queue, eventlog.Grant, eventlog.Grant,
		eventlog.Withdraw, eventlog.RenewFail, eventlog.Release, eventlog.Lost, eventlog.Expired, eventlog.Reclaim, "telepathy", ""}
	some := func(t *rapid.T, what ...string) string { return rapid.SampledFrom(what).Draw(t, "string") }
	number := func(t *rapid.T) int {
		return rapid.SampledFrom([]int{0, 1, 2, 3, -1, math.MaxInt32, math.MinInt32}).Draw(t, "number")
	}
	ms := func(t *rapid.T) eventlog.MS {
		return eventlog.MS(rapid.SampledFrom([]time.Duration{0, 0, time.Second, 1, -time.Second, math.MaxInt64, math.MinInt64}).Draw(t, "ms"))
	}
	var events []eventlog.Event
	at := t0
	for range rapid.IntRange(0, 80).Draw(t, "events") {
		at = at.Add(time.Duration(rapid.IntRange(-1000, 2000).Draw(t, "pass")) * time.Millisecond)
		e := eventlog.Event{Ev: rapid.SampledFrom(kinds).Draw(t, "ev"), At: at, TS: at, Req: some(t, "", "r1", "r2", "r3"), PID: number(t),
			Host: some(t, "", "h"), WaitedMS: ms(t), HeldMS: ms(t), KeptMS: ms(t), LeaseMS: ms(t), Priority: number(t),
			Parent: some(t, "", "", "r1", "r2"), Backfilled: rapid.Bool().Draw(t, "early"), ExpectMS: ms(t),
			Outcome: eventlog.Outcome(some(t, "", "acquired", "timeout", "nonsense")), Error: some(t, "", "refused"), Dropped: 1}
		e.Run.ID, e.Test.Name = some(t, "", "run"), some(t, "", "A", "B\n<b>|`\"")
		for range rapid.IntRange(0, 2).Draw(t, "reqs") {
			r := eventlog.Requirement{Name: some(t, "", "p", "q|<i>"), Need: number(t), Seats: number(t), Count: number(t), Hash: some(t, "", "x"),
				Shared: rapid.Bool().Draw(t, "shared"), Tags: map[string]string{"t": "v"}}
			for range rapid.IntRange(0, 3).Draw(t, "candidates") {
				r.Candidates = append(r.Candidates, some(t, "a", "b", "b", ""))
			}
			e.Reqs = append(e.Reqs, r)
		}
		for range rapid.IntRange(0, 3).Draw(t, "chosen") {
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: some(t, "a", "b", "c", ""), Req: number(t), Tags: map[string]string{"t|": "\n"}})
		}
		for range rapid.IntRange(0, 3).Draw(t, "blockers") {
			e.Blockers = append(e.Blockers, eventlog.Blocker{Key: some(t, "a", "b", "c", ""), Req: some(t, "", "r1", "z"), Run: some(t, "", "run", "other"),
				Test: some(t, "", "X"), State: some(t, "", "held", "kept", "foreign", "waiting"), Since: at.Add(-ms(t).Duration()), Expires: at.Add(ms(t).Duration())})
		}
		events = append(events, e)
	}
	return events
}

func FuzzFoldLines(f *testing.F) {
	for _, name := range []string{"bigger", "hearsay", "kept", "ends"} {
		text, err := os.ReadFile("testdata/schedules/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		schedule, _, _ := strings.Cut(string(text), "\n---\n")
		var b bytes.Buffer
		for _, e := range parseSchedule(f, schedule) {
			line, err := json.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		var reader eventlog.Reader
		r, err := Fold(reader.Decode("fuzz", bytes.NewReader(log)), Options{OnRequest: func(r *Request) {
			var sum time.Duration
			for _, s := range r.Blame {
				sum += s.Time.Duration()
			}
			if sum != r.Waited {
				t.Errorf("waited %v, blame sums to %v", r.Waited, sum)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := errors.Join(r.WriteText(&b, View{Top: -1}), r.WriteMarkdown(&b, View{Top: -1}), r.WriteJSON(&b)); err != nil {
			t.Fatal(err)
		}
	})
}
