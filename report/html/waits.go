package html

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// waitLines is how many tests have a row in the timeline of waits. The table of tests, behind
// it, has more of them.
const waitLines = 20

// waitsTimeline draws when tests waited, those that waited most, each wait with the
// pattern of what most of it was spent on.
func (h *Page) waitsTimeline(rep *report.Report) chart {
	c := chart{ID: "waiting", Title: "When tests waited", Time: true, W: chartWidth}
	rows := h.waitRows(rep)
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	c.fit(names...)
	s := timeScale{rep.From.UnixMicro(), rep.To.UnixMicro(), c.Left, chartWidth - 10}
	const top = 4.0
	height := float64(len(rows)) * (rowHeight + rowGap)
	c.axis(s, top, top+height)
	y := top
	for _, r := range rows {
		c.label(y+rowHeight-5, r.name)
		c.line(c.Left, y+rowHeight+rowGap/2, chartWidth-10, y+rowHeight+rowGap/2, "rule")
		if l := lanes(r.holds, s, 3); l == nil {
			c.crowd(s, y, r.holds, maxUsers(r.holds), func(mean string, most int) string { return fmt.Sprintf("%s waits, %d at most,", mean, most) })
		} else {
			h.bars(rep, &c, s, y, l)
		}
		y += rowHeight + rowGap
	}
	c.H = top + height + 20
	// Only what is drawn: a reader looks in the chart for each pattern of a legend.
	explain := func(fill, text string) {
		if slices.ContainsFunc(c.Shapes, func(s shape) bool { return s.Kind == "rect" && s.Fill == fill }) {
			c.Legend = append(c.Legend, legend{fill, text})
		}
	}
	for i, cause := range report.Causes {
		explain(holdFills[waitedFor+holdKind(i)], string(cause))
	}
	explain("many", "many waits at a time")
	c.Desc = fmt.Sprintf("Time from left to right, in UTC; a row for each of %s that waited most, a bar for each wait, by what most of it was spent on.", words.Count(len(rows), "test"))
	return c
}

// waitRows are the waits of the tests that waited most, over all their runs.
func (h *Page) waitRows(rep *report.Report) []timelineRow {
	type sum struct {
		row  timelineRow
		time int64
	}
	of := map[string]*sum{}
	var l []*sum
	for i := range h.waits {
		w := &h.waits[i]
		// A round trip to the store is no wait, and would make a row for each test of a suite.
		if w.to-w.from < report.Negligible.Duration().Microseconds() {
			continue
		}
		// By name: a test has another number in each run.
		name := h.nameOf(rep, w.test)
		t := of[name]
		if t == nil {
			t = &sum{row: timelineRow{name: name}}
			of[name] = t
			l = append(l, t)
		}
		t.time += w.to - w.from
		t.row.holds = append(t.row.holds, &hold{from: w.from, to: w.to, test: w.test, kind: waitedFor + holdKind(w.cause)})
	}
	slices.SortStableFunc(l, func(a, b *sum) int { return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(a.row.name, b.row.name)) })
	var rows []timelineRow
	for _, t := range l[:min(len(l), waitLines)] {
		slices.SortFunc(t.row.holds, func(a, b *hold) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
		rows = append(rows, t.row)
	}
	return rows
}
