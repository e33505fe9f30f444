package html

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// The timeline has a row for each resource and a bar for each hold. What does not
// fit is drawn together, never left out: holds narrower than a few pixels as one
// bar that says how many they are, and resources beyond timelineRows as one row.
const (
	timelineRows = 30
	timelineBars = 3000 // beyond that, wider bars are joined: each takes some 200 bytes, of a page below 2 MB
	rowHeight    = 18
	rowGap       = 5
	lanesMax     = 4 // holders at the same time that get a bar each: of five, none would be four high
)

// A bar is one hold or several that are drawn together.
type bar struct {
	from, to int64 // from the first to the last
	busy     int64 // of that time
	n        int
	test     int32
	kind     holdKind
	hold     *hold // the first
}

// waitedFor and what follows are waits, by their cause. A bar of a wait is drawn as one of a
// hold is; the gap leaves room for more kinds of holds.
const waitedFor holdKind = 16

func init() {
	for i, c := range report.Causes {
		holdFills[waitedFor+holdKind(i)] = causeFills[c]
	}
}

var holdFills = map[holdKind]string{heldOwn: "held", heldShared: "shared", heldKept: "kept", heldLost: "lost", heldOpen: "open"}

// timeline draws the holds of the resources that were waited for most.
func (h *Page) timeline(rep *report.Report) chart {
	c := chart{ID: "timeline", Title: "When each resource was in use", Time: true, W: chartWidth}
	rows, rest := h.timelineRows(rep)
	c.fit(rowNames(rows)...)
	s := timeScale{rep.From.UnixMicro(), rep.To.UnixMicro(), c.Left, chartWidth - 10}
	top := 4.0
	var drawn [][][]bar
	// Try with fine bars, and with coarser ones until they are few enough: a page
	// of 10,000 requests must open at once.
	for width := 3.0; ; width *= 2 {
		drawn = drawn[:0]
		bars := 0
		for _, k := range rows {
			l := lanes(k.holds, s, width)
			drawn = append(drawn, l)
			for _, lane := range l {
				bars += len(lane)
			}
		}
		if bars <= timelineBars || width > 50 { // wider bars would show next to nothing of the time
			break
		}
	}
	height := float64(len(rows)) * (rowHeight + rowGap)
	if len(rest) > 0 {
		height += rowHeight + rowGap
	}
	c.axis(s, top, top+height)
	y := top
	for i, k := range rows {
		c.label(y+rowHeight-5, k.name)
		c.line(c.Left, y+rowHeight+rowGap/2, chartWidth-10, y+rowHeight+rowGap/2, "rule")
		if drawn[i] == nil { // too many at a time
			c.crowd(s, y, k.holds, maxUsers(k.holds), func(mean string, most int) string { return fmt.Sprintf("%s holders, %d at most,", mean, most) })
		} else {
			h.bars(rep, &c, s, y, drawn[i])
		}
		y += rowHeight + rowGap
	}
	if len(rest) > 0 {
		c.label(y+rowHeight-5, words.Count(len(rest), "other"))
		var all []*hold
		for _, k := range rest {
			all = append(all, inUse(k.holds)...)
		}
		c.crowd(s, y, all, len(rest), func(mean string, of int) string { return fmt.Sprintf("%s of %d in use", mean, of) })
	}
	c.H = top + height + 20
	// Only what is drawn: a reader looks in the chart for each pattern of a legend.
	for _, l := range holdLegend {
		if slices.ContainsFunc(c.Shapes, func(s shape) bool { return s.Fill == l.Fill }) {
			c.Legend = append(c.Legend, l)
		}
	}
	c.Desc = fmt.Sprintf("Time from left to right, in UTC; a row for each of %s, a bar for each hold.", words.Count(len(rows), "resource"))
	if len(rest) > 0 {
		c.Desc += fmt.Sprintf(" The last row shows how many of the other %d were in use.", len(rest))
	}
	return c
}

// holdLegend explains the fills of bars.
var holdLegend = []legend{
	{"held", "held"}, {"care", "being prepared or restored"}, {"shared", "shared, or one of several seats"}, {"many", "several short holds, or many at a time"},
	{"kept", "kept after a failure"}, {"lost", "lease lost or run out"}, {"open", "no end in the events"},
}

func rowNames(rows []timelineRow) (names []string) {
	for _, r := range rows {
		names = append(names, r.name)
	}
	return names
}

// A timelineRow is a resource with its holds in the order of time.
type timelineRow struct {
	name  string
	holds []*hold
}

// timelineRows picks the resources that were waited for most, and lists them by
// name, as a lab is labelled.
func (h *Page) timelineRows(rep *report.Report) (rows, rest []timelineRow) {
	byKey := make([][]*hold, len(h.names))
	for i := range h.holds {
		for _, k := range h.holds[i].keys {
			byKey[k] = append(byKey[k], &h.holds[i])
		}
	}
	for i := range rep.Resources {
		g := &rep.Resources[i]
		k, ok := h.keys[g.Name]
		if !ok {
			continue // never held
		}
		// Holds come to be known when they end, and lanes wants them as they began.
		slices.SortFunc(byKey[k], func(a, b *hold) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
		r := timelineRow{g.Name, byKey[k]}
		if len(rows) < timelineRows {
			rows = append(rows, r)
		} else {
			rest = append(rest, r)
		}
	}
	slices.SortFunc(rows, func(a, b timelineRow) int { return words.NaturalCompare(a.name, b.name) })
	return rows, rest
}

// lanes puts holds that overlap into lanes of their own and joins those that are
// narrower than width pixels. It is nil if there are too many at one time.
func lanes(holds []*hold, s timeScale, width float64) [][]bar {
	lanes := [][]bar{} // also of no holds: nil stands for too many
	for _, o := range holds {
		b := bar{o.from, o.to, o.to - o.from, 1, o.test, o.kind, o}
		put := false
		for i := range lanes {
			// The first lane that is free: a hand-off stays in it, and a second lane is a second holder.
			if last := &lanes[i][len(lanes[i])-1]; last.to <= o.from {
				lanes[i] = joined(lanes[i], b, s, width)
				put = true
				break
			}
		}
		if put {
			continue
		}
		if len(lanes) == lanesMax {
			return nil
		}
		lanes = append(lanes, []bar{b})
	}
	return lanes
}

// joined appends a bar, or makes it part of the last one when both are narrow
// and near: what is drawn together shows less time free than there was, but never
// more than width pixels of it.
func joined(lane []bar, b bar, s timeScale, width float64) []bar {
	last := &lane[len(lane)-1]
	narrow := s.x(b.to)-s.x(b.from) < width && (last.n > 1 || s.x(last.to)-s.x(last.from) < width)
	alike := b.kind == last.kind || b.kind < heldKept && last.kind < heldKept // Mean lost lease does not spoil a dozen
	// Eight times the width at most: a night of short holds should not become one bar.
	if narrow && alike && s.x(b.from)-s.x(last.to) < width && s.x(b.to)-s.x(last.from) < 8*width {
		last.busy += b.busy
		last.to = b.to
		last.n++
		return lane
	}
	return append(lane, b)
}

// bars draws the lanes of a row.
func (h *Page) bars(rep *report.Report, c *chart, s timeScale, y float64, lanes [][]bar) {
	height := float64(rowHeight) / float64(max(1, len(lanes)))
	for _, lane := range lanes {
		for _, b := range lane {
			x, w := s.x(b.from), max(1, s.x(b.to)-s.x(b.from))
			if b.n > 1 { // of several tests, maybe: it names none of them
				fill, what := "many", "holds"
				if b.kind >= waitedFor { // the kinds of waits come last
					what = "waits"
				}
				if b.kind >= heldKept { // joined has put together only what is of one kind
					fill = holdFills[b.kind]
				}
				c.rect(x, y, w, height, fill, fmt.Sprintf("%d %s, %s of %s to %s UTC", b.n, what, words.Percent(float64(b.busy)/float64(max(1, b.to-b.from))), s.moment(b.from), s.moment(b.to)))
				continue
			}
			name := words.Plain(h.nameOf(rep, b.test))
			who := name
			if run := h.who[b.test].run; rep.Runs > 1 && run != "" {
				who += " of run " + words.Plain(run)
			}
			if b.kind == heldKept {
				who += ", kept after a failure"
			}
			// The whole hold first; Prepare and Restore cover its ends, and keep what they tell apart.
			c.rect(x, y, w, height, holdFills[b.kind], fmt.Sprintf("%s, %s, %s to %s UTC", who, words.Short(eventlog.MS(b.busy*1000)), s.moment(b.from), s.moment(b.to)))
			x, w = c.care(s, y, height, who, b.hold, x, w)
			if b.kind >= waitedFor {
				continue // the row has its name
			}
			// Letters are 12 high: of two lanes, each has 9.
			if label := inside(name, w-6); label != "" && height > 12 {
				class := "onbar"
				if b.kind != heldOwn { // the other patterns are light, and black letters stand out from them
					class = "onlight"
				}
				c.text(x+4, y+height-5, "", class, label)
			}
		}
		y += height
	}
}

// care draws Prepare and Restore over the bar of a hold, and returns what is left of
// that between them.
func (c *chart) care(s timeScale, y, height float64, who string, o *hold, x, w float64) (left, width float64) {
	part := func(what string, from, to int64) float64 {
		if to <= from {
			return 0
		}
		wide := s.x(to) - s.x(from)
		c.rect(s.x(from), y, max(1, wide), height, "care", fmt.Sprintf("%s %s, %s, %s to %s UTC", who, what, words.Short(eventlog.MS((to-from)*1000)), s.moment(from), s.moment(to)))
		return wide
	}
	what := "prepares"
	if o.vain {
		what = "prepares in vain"
	}
	prepare := part(what, o.from, o.from+o.prepare)
	return x + prepare, w - prepare - part("restores", o.to-o.restore, o.to)
}

// crowdColumns is how finely many holders at one time are drawn. Each is a shape with a tip,
// for which it has to be wide enough to be pointed at: about six.
const crowdColumns = 130

// crowd draws how many of a number there are, as columns. say words a mean and the number.
func (c *chart) crowd(s timeScale, y float64, holds []*hold, of int, say func(mean string, of int) string) {
	users := newCurve(s.from, s.to, crowdColumns)
	for _, o := range holds {
		users.add(o.from, 1)
		users.add(o.to, -1)
	}
	means, _ := users.columns()
	w := (s.right - s.left) / crowdColumns
	for i, m := range means {
		if m <= 0 {
			continue
		}
		h := min(1, m/float64(max(1, of))) * rowHeight
		c.rect(s.left+float64(i)*w, y+rowHeight-h, w, h, "many", say(words.Mean(m), of)+fmt.Sprintf(" at %s UTC", s.moment(users.start(i))))
	}
}

// inUse joins holds that overlap: a resource that is shared is in use once. They come in
// the order of time.
func inUse(holds []*hold) (joined []*hold) {
	for _, o := range holds {
		if n := len(joined); n > 0 && o.from <= joined[n-1].to { // a hand-off leaves no gap
			joined[n-1].to = max(joined[n-1].to, o.to)
			continue
		}
		joined = append(joined, &hold{from: o.from, to: o.to})
	}
	return joined
}

func maxUsers(holds []*hold) int {
	users := newCurve(0, 1, 1) // a peak needs no columns
	for _, o := range holds {
		users.add(o.from, 1)
		users.add(o.to, -1)
	}
	return users.peak()
}
