package live

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/suspects"
)

// used are the events of a test that used a board.
func used(n int, at time.Time, board, test string, verdict eventlog.Verdict) []eventlog.Event {
	id := fmt.Sprint("Q", n)
	e := eventlog.Event{Host: "h", PID: 1, Run: eventlog.RunInfo{ID: "r", URL: "https://ci.example.com/1"}, Req: id, Test: eventlog.TestInfo{Pkg: "lab", Name: test, Attempt: n}}
	at4 := func(i int, k eventlog.Kind) eventlog.Event {
		e := e
		e.Ev, e.TS = k, at.Add(time.Duration(i)*time.Minute)
		e.At = e.TS
		return e
	}
	ask, grant, release, end := at4(0, eventlog.Request), at4(1, eventlog.Grant), at4(31, eventlog.Release), at4(31, eventlog.TestEnd)
	ask.Reqs = []eventlog.Requirement{{Name: "boards", Candidates: []string{"board-1", "board-2"}}}
	grant.Chosen, grant.WaitedMS, grant.Outcome = []eventlog.Chosen{{Key: board}}, eventlog.MS(time.Minute), eventlog.Acquired
	release.HeldMS = eventlog.MS(30 * time.Minute)
	end.Verdict, end.Req = verdict, ""
	return []eventlog.Event{ask, grant, release, end}
}

func events(all ...[]eventlog.Event) func(context.Context, time.Time) iter.Seq2[eventlog.Event, error] {
	return func(context.Context, time.Time) iter.Seq2[eventlog.Event, error] {
		return func(yield func(eventlog.Event, error) bool) {
			for _, l := range all {
				for _, e := range l {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}
}

// read waits until a history has been read.
func (h *History) readNow() {
	h.look()
	h.work.Wait()
}

func TestHistory(t *testing.T) {
	now := time.Now()
	action := func(at time.Time, what string) []eventlog.Event {
		return []eventlog.Event{{Ev: eventlog.Action, TS: at, At: at, Action: what, User: "bob", Reason: "smoke", Chosen: []eventlog.Chosen{{Key: "board-2"}}}}
	}
	h := &History{Read: events(
		used(1, now.Add(-10*day), "board-2", "TestOld", eventlog.VerdictPassed),
		used(2, now.Add(-3*day), "board-1", "TestWeek", eventlog.VerdictPassed),
		action(now.Add(-2*day), "disable"), action(now.Add(-2*day+3*time.Hour), "enable"),
		used(3, now.Add(-12*time.Hour), "board-1", "TestDay", eventlog.VerdictFailed),
		action(now.Add(-2*time.Hour), "disable"),
	)}
	l := newLab(t, Options{History: h}, Item{Key: "board-1", Pool: "boards"}, Item{Key: "board-2", Pool: "boards"})
	assert.Contains(t, l.page("/"), "history?window=day")
	assert.Contains(t, l.page("/history?window=day"), "The events are being read")
	h.work.Wait()
	page := l.page("/history?window=day")
	assert.Contains(t, page, "TestDay")
	assert.NotContains(t, page, "TestWeek")
	assert.Contains(t, page, "2h00m")
	page = l.page("/history?window=week")
	assert.Contains(t, page, "TestWeek")
	assert.NotContains(t, page, "TestOld")
	assert.Contains(t, page, "5h00m", "out of service: twice")
	assert.Contains(t, page, "What failures follow")
	assert.Equal(t, 2, h.look().week.suspects.Runs)

	page = l.page("/resource?key=board-1")
	assert.Contains(t, page, "Last day: used 2% of the time, 1 use; waits P50 1m00s")
	assert.Contains(t, page, "Last week: used &lt;1% of the time, 2 uses")
	first, second := strings.Index(page, "TestDay"), strings.Index(page, "TestWeek")
	assert.True(t, first > 0 && first < second, "the newest first")
	assert.Contains(t, page, `href="https://ci.example.com/1"`)
	assert.Contains(t, l.page("/resource?key=board-2"), "Last day: no test used it; out of service for 2h00m.")

	assert.Equal(t, http.StatusNotFound, newLab(t, Options{}).get("/history").Code)
}

// A timed outage ends by itself, with no event of its end.
//
//	2:00  disabled until 3:00    an hour
//	4:00  disabled until 8:00
//	5:00  again, until enabled   the present one is this
//	6:00  enabled                two hours
func TestHistoryOfTimedOutages(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	action := func(hour int, what string, until time.Time, keys ...string) []eventlog.Event {
		e := eventlog.Event{Ev: eventlog.Action, TS: at(hour), At: at(hour), Action: what, User: fmt.Sprint("at ", hour), Until: until}
		for _, k := range keys {
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: k})
		}
		return []eventlog.Event{e}
	}
	h := &History{Read: events(
		action(2, "disable", at(3), "ended", "again"),
		action(4, "disable", at(8), "again"),
		action(5, "disable", time.Time{}, "again"),
		action(6, "enable", time.Time{}, "again"),
		action(7, "enable", time.Time{}, "ended"), // it was in service
		action(9, "disable", at(30), "on"),
	)}
	w, err := h.window(t.Context(), start, at(12))
	require.NoError(t, err)
	assert.Equal(t, time.Hour, w.outages["ended"].total)
	assert.True(t, w.outages["ended"].since.IsZero(), "it is in service")
	assert.Equal(t, 3*time.Hour, w.outages["again"].total)
	assert.Equal(t, "at 5", w.outages["again"].by)
	assert.Equal(t, 3*time.Hour, w.outages["on"].total)
	assert.False(t, w.outages["on"].since.IsZero(), "it is out of service")
}

// What is out of service without an event is told by the store.
func TestHistoryAsksTheStoreToo(t *testing.T) {
	h := &History{Read: events()}
	l := newLab(t, Options{History: h})
	_, err := l.locker.Disable(t.Context(), lockcore.Outage{Keys: []string{"board-9"}, Reason: "smoke", Owner: lockcore.Owner{User: "bob"}})
	require.NoError(t, err)
	l.page("/")
	h.readNow()
	assert.Contains(t, l.page("/history?window=day"), "board-9")
}

func TestHistoryThatCannotBeRead(t *testing.T) {
	h := &History{Read: func(context.Context, time.Time) iter.Seq2[eventlog.Event, error] {
		return func(yield func(eventlog.Event, error) bool) {
			yield(eventlog.Event{}, errors.New("no such <directory>"))
		}
	}}
	l := newLab(t, Options{History: h})
	h.readNow()
	assert.Contains(t, l.page("/history?window=day"), "The events cannot be read: no such &lt;directory&gt;")
}

// What it keeps is bounded, whatever is in the events.
func TestHistoryIsBounded(t *testing.T) {
	now := time.Now()
	h := &History{Read: func(context.Context, time.Time) iter.Seq2[eventlog.Event, error] {
		return func(yield func(eventlog.Event, error) bool) {
			for i := range 3 * apartMost {
				for _, e := range used(i, now.Add(-time.Hour), fmt.Sprint("b", i), fmt.Sprint("Test", i), eventlog.VerdictPassed)[1:2] {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}}
	w, err := h.window(t.Context(), now.Add(-day), now)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(w.uses), usedMost)
	assert.Equal(t, 2*apartMost, w.left)
	assert.LessOrEqual(t, len(w.report.Resources), apartMost)
	assert.Contains(t, (&past{at: now, week: w}).note(time.UTC), "40000 events were left out")
}

// What is beyond a limit is left out, and the page says so.
func TestHistorySaysWhatIsLeftOut(t *testing.T) {
	now := time.Now()
	w := &window{uses: map[string]*uses{}}
	for i := range usedMost + 3 {
		w.request(&report.Request{Served: now, Chosen: []eventlog.Chosen{{Key: fmt.Sprint("b", i)}}})
	}
	assert.Len(t, w.uses, usedMost)
	var c suspects.Collector
	for range runsMost + 7 {
		w.test(&c, &report.TestRun{}) // its end is unknown: the cheapest to count
	}
	assert.Equal(t, runsMost, c.Find().Unknown)
	note := (&past{at: now, week: w}).note(time.UTC)
	assert.Contains(t, note, "The last uses are kept of 5000 resources: 3 other uses were left out.")
	assert.Contains(t, note, "What failures follow is from 200000 runs of tests: 7 later runs were left out.")
	assert.Contains(t, (&past{at: now, week: &window{leftUses: 1}}).note(time.UTC), "1 other use was left out.")
	assert.NotContains(t, (&past{at: now, week: &window{runs: runsMost}}).note(time.UTC), "left out")
}
