package whatif

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/html"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// earlyNight has a soak test hold one of two boards, a pair wait for both, and a
// quick test run three times past the pair on the other board. The last time it
// takes 30 s instead of 10, and the pair, which could have started at 100s, waits
// until 115s. Under fifo the quick test would have waited for the pair.
const earlyNight = `
0s   Soak@s asks b1 b2 pool=boards
0s   Soak@s gets b1
1s   Pair@p asks 2 of b1 b2 pool=boards
2s   Quick@q asks b1 b2 pool=boards
2s   Quick@q gets early b2
12s  Quick@q releases
40s  Quick@q asks b1 b2 pool=boards
40s  Quick@q gets early b2
50s  Quick@q releases
85s  Quick@q asks b1 b2 pool=boards
85s  Quick@q gets early b2
100s Soak@s releases
115s Quick@q releases
115s Pair@p gets b1 b2
125s Pair@p releases
`

func foldEarly(t *testing.T, schedule string, most int) *report.Report {
	t.Helper()
	r, err := FoldAndCompare(reporttest.Sequence(reporttest.Schedule(t, schedule)), report.Options{}, most)
	require.NoError(t, err)
	return r
}

func TestReportTellsWhatBackfillBrought(t *testing.T) {
	r := foldEarly(t, earlyNight, 100)
	require.NotNil(t, r.Backfill)
	assert.Equal(t, 3, r.Backfill.Requests)
	passed := eventlog.MS(114 * time.Second)
	assert.Equal(t, report.Stat{N: 1, Total: passed, P50: passed, P95: passed, Max: passed}, r.Backfill.Passed)
	for _, g := range r.Tests {
		assert.Equal(t, map[string]int{"Quick": 3}[g.Name], g.Backfilled, g.Name)
	}
	// With fifo Pair has the boards from 100s to 110s, Quick one from 110s to 120s,
	// from 148s to 158s, and from 193s to 223s. It waits 108 s, Pair 99 s.
	assert.Equal(t, report.FIFO{Waits: eventlog.MS((108 + 99 - 114) * time.Second), Makespan: eventlog.MS((223 - 125) * time.Second),
		Cost: eventlog.MS(15 * time.Second), CostMax: eventlog.MS(15 * time.Second)}, *r.Backfill.FIFO)
	assert.Subset(t, summary.Headline(r), []string{
		"Backfill: 3 requests served early, past 1 that came before and waited up to 1m54s.",
		"  With fifo (estimate) all would have waited 1m33s more in all, and the run taken 1m38s more; being passed cost 15.0s, at most 15.0s a request.",
	})

	// The same in every format.
	for name, render := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return summary.Text(b, r, summary.View{}) },
		"md":   func(b *bytes.Buffer) error { return summary.Markdown(b, r, summary.View{}) },
		"html": func(b *bytes.Buffer) error {
			dir := t.TempDir()
			if err := (&html.Page{}).Write(dir, r); err != nil {
				return err
			}
			page, err := os.ReadFile(filepath.Join(dir, "index.html"))
			b.Write(page)
			return err
		},
	} {
		var b bytes.Buffer
		require.NoError(t, render(&b), name)
		assert.Contains(t, b.String(), "3 requests served early", name)
		assert.Contains(t, b.String(), "the run taken 1m38s more", name)
	}
	var b bytes.Buffer
	require.NoError(t, summary.JSON(&b, r))
	assert.Contains(t, strings.Join(strings.Fields(b.String()), ""), `"fifo":{"waits_ms":93000,"makespan_ms":98000,"passed_cost_ms":15000,"passed_cost_max_ms":15000}`)
}

// TestWhatIfSaysWhatFIFOWouldHaveTaken asks the same of whatif.
func TestWhatIfSaysWhatFIFOWouldHaveTaken(t *testing.T) {
	policy := lockcore.FIFO
	e := estimate(t, earlyNight, WhatIf{Policy: &policy})
	assert.Equal(t, lockcore.Backfill, e.Recorded.Policy)
	assert.Equal(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median)
	assert.Contains(t, text(t, e), "with fifo: this run would have taken 1m38s more (+78%), and waited 1m33s more (+82%) in all (estimate).")
}

// TestWhatIfKnowsWhatTestsSaid has tests, each of which runs once, say how long
// they take: a replay without that would have nothing to go by.
func TestWhatIfKnowsWhatTestsSaid(t *testing.T) {
	events := reporttest.Schedule(t, strings.ReplaceAll(earlyNight, " early", ""))
	for i := range events {
		if e := &events[i]; e.Ev == eventlog.Request {
			e.ExpectMS = map[string]eventlog.MS{"Soak": eventlog.MS(100 * time.Second), "Pair": eventlog.MS(10 * time.Second), "Quick": eventlog.MS(10 * time.Second)}[e.Test.Name]
		}
	}
	p, err := readReplay(reporttest.Sequence(events))
	require.NoError(t, err)
	best, err := p.baseline(draws{exact: 1})
	require.NoError(t, err)
	assert.Equal(t, lockcore.Backfill, best.mode.policy)
	assert.False(t, best.mode.history)
	assert.Equal(t, p.makespan, best.makespan[0])
}

func TestReportWithoutAnEstimate(t *testing.T) {
	r := foldEarly(t, earlyNight, 4)
	assert.Equal(t, 3, r.Backfill.Requests)
	assert.Contains(t, strings.Join(summary.Headline(r), "\n"), "What fifo would have meant is not known: more than 4 requests are not replayed unasked; rtest-report whatif does it.")
	r = foldEarly(t, earlyNight+"130s Next@n asks b1\n190s Next@n gets b1\n200s Next@n releases\n", 100)
	assert.Contains(t, strings.Join(summary.Headline(r), "\n"), "is not known: the run took 3m20s, but its replay takes 2m20s; more than 2 % apart, so something that matters is not in the events. The first that it does not explain: Next (n), ")
	assert.Nil(t, foldEarly(t, strings.ReplaceAll(earlyNight, " early", ""), 100).Backfill, "nobody was served early")
}
