package whatif

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// numbered gives events the numbers that their writers would have.
func numbered(events []eventlog.Event) []eventlog.Event {
	seqs := map[eventlog.Process]uint64{}
	for i := range events {
		k := events[i].Process()
		seqs[k]++
		events[i].Seq = seqs[k]
	}
	return events
}

// without is events without those of one test.
func without(events []eventlog.Event, test string) (rest []eventlog.Event) {
	for _, e := range events {
		if e.Test.Name != test {
			rest = append(rest, e)
		}
	}
	return rest
}

// unseen is a run in which B waits for what Holder has, in a process with Other.
const unseen = `
0s   Other@p asks c
0s   Other@p gets c
1s   Holder@p asks b1 pool=boards
1s   Holder@p gets b1
2s   B@b asks b1 pool=boards
50s  Holder@p releases
50s  B@b gets b1
60s  B@b releases
61s  Other@p releases
70s  Last@b asks b1 pool=boards
70s  Last@b gets b1
75s  Last@b releases
`

// TestWhatIfSaysFirstThatEventsWereLost has the holder's events dropped, or not copied:
// what the replay does not explain is said behind that.
func TestWhatIfSaysFirstThatEventsWereLost(t *testing.T) {
	whole := numbered(reporttest.Schedule(t, unseen))
	_, err := Estimate(reporttest.Sequence(whole), WhatIf{})
	require.NoError(t, err)

	events := without(whole, "Holder")
	_, err = Estimate(reporttest.Sequence(events), WhatIf{})
	require.ErrorIs(t, err, ErrNoEstimate)
	assert.Regexp(t, `^no estimate: 3 events are missing by their numbers, and a replay lacks what they told; `+
		`rtest-report validate tells more: the run took .* The first that it does not explain: B \(b\), .*`, err.Error())

	// The line behind the gap says how many its writer dropped.
	for i := range events {
		if events[i].Ev == eventlog.Release && events[i].Test.Name == "Other" {
			events[i].Dropped = 2
		}
	}
	_, err = Estimate(reporttest.Sequence(events), WhatIf{})
	assert.ErrorContains(t, err, "no estimate: 2 events were dropped by their writers, and 1 event more is missing by its number, and a replay lacks what they told; ")
	r, err := report.Fold(reporttest.Sequence(events), report.Options{})
	require.NoError(t, err)
	assert.Equal(t, []uint64{2, 1}, []uint64{r.Dropped, r.Missing})

	// The verdict of a report says so as well.
	r, err = FoldAndCompare(reporttest.Sequence(events), report.Options{}, 0)
	require.NoError(t, err)
	assert.Regexp(t, `^2 events were dropped by their writers, and 1 event more `, r.Verdict.NoEstimate)
}

// TestWhatIfSaysThatEventsWereLostBesideAnEstimate has a loss that the makespan does not
// show.
func TestWhatIfSaysThatEventsWereLostBesideAnEstimate(t *testing.T) {
	events := without(numbered(reporttest.Schedule(t, `
0s   A@p asks b1 pool=boards
0s   A@p gets b1
5s   Small@p asks c
6s   Small@p gets c
7s   Small@p releases
10s  B@b asks b1 pool=boards
50s  A@p releases
50s  B@b gets b1
60s  B@b releases
`)), "Small")
	e, err := Estimate(reporttest.Sequence(events), WhatIf{})
	require.NoError(t, err)
	assert.Equal(t, 3, e.Lost)
	assert.Contains(t, text(t, e), "\n3 events are missing by their numbers: what they told is not in the replay.\n")
	assert.Equal(t, exactly(time.Minute), e.Recorded.Makespan)
}

// TestReportCountsWhatIsMissing although a Pool event has the number of the one that it
// goes with.
func TestReportCountsWhatIsMissing(t *testing.T) {
	events := numbered(reporttest.Schedule(t, unseen))
	list := events[2]
	list.Ev = eventlog.Pool
	events = append(events[:2:2], append([]eventlog.Event{list}, events[2:]...)...)
	missing := func(events []eventlog.Event) uint64 {
		r, err := report.Fold(reporttest.Sequence(events), report.Options{})
		require.NoError(t, err)
		return r.Missing
	}
	assert.Zero(t, missing(events))
	assert.Equal(t, uint64(1), missing(append(events[:3:3], events[4:]...)))
}
