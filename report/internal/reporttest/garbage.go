package reporttest

import (
	"math"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Garbage is events that make little sense.
func Garbage(t *rapid.T) []eventlog.Event {
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
	at := T0
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
				Test: some(t, "", "X"), State: some(t, "", "held", "kept", "reserved", "disabled", "foreign", "waiting"), Since: at.Add(-ms(t).Duration()), Expires: at.Add(ms(t).Duration())})
		}
		events = append(events, e)
	}
	return events
}
