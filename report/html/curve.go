package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A curve counts something over time.
type curve struct {
	from, to int64 // of the columns
	low, top int64 // of what is known: a mean is over that part of a column
	n        int   // columns
	steps    []curveStep
	sorted   bool
}

type curveStep struct {
	at int64
	by int
}

func newCurve(from, to int64, columns int) *curve {
	return &curve{from: from, to: to, low: from, top: to, n: columns}
}

func (c *curve) add(at int64, by int) {
	c.steps = append(c.steps, curveStep{at, by})
	c.sorted = false
}

// sort puts what ends before what begins at the same moment: a hand-off is no
// moment with two holders.
func (c *curve) sort() {
	if !c.sorted {
		slices.SortFunc(c.steps, func(a, b curveStep) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
		c.sorted = true
	}
}

// peak is the highest value.
func (c *curve) peak() (top int) {
	c.sort()
	v := 0
	for _, s := range c.steps {
		v += s.by
		top = max(top, v)
	}
	return top
}

// start is the moment at which column i begins. All columns have the same length in whole
// microseconds; what that leaves over is of the last one.
func (c *curve) start(i int) int64 { return c.from + (c.to-c.from)/int64(c.n)*int64(i) }

// columns are the mean and the highest value in each column.
func (c *curve) columns() (means []float64, tops []int) {
	c.sort()
	means, tops = make([]float64, c.n), make([]int, c.n)
	v, next := 0, 0
	for i := range c.n {
		begin, end := max(c.low, c.start(i)), c.start(i+1)
		if i == c.n-1 {
			end = c.to // all columns together may be some microseconds shorter than the time
		}
		end = min(c.top, end)
		// A step on the border is done as the column begins: what ends at 12:00:00 counts in the
		// second before alone, and what forms then in the one that begins.
		for next < len(c.steps) && c.steps[next].at <= begin {
			v += c.steps[next].by
			next++
		}
		at, area, top := begin, int64(0), v
		for next < len(c.steps) && c.steps[next].at < end {
			s := c.steps[next]
			area += int64(v) * (s.at - at)
			at, v = s.at, v+s.by
			top = max(top, v)
			next++
		}
		area += int64(v) * (end - at)
		if end > begin { // else nothing of it is known, or there are more columns than microseconds
			means[i] = float64(area) / float64(end-begin)
		}
		tops[i] = top
	}
	return means, tops
}

// queueColumns are about four wide each: finer ones nobody can tell apart.
const queueColumns = 200

// queueCurves are the requests that wait, and the resources in use.
func (h *Page) queueCurves(rep *report.Report, columns int) (waiting, busy *curve) {
	from, to := rep.From.UnixMicro(), rep.To.UnixMicro()
	waiting, busy = newCurve(from, to, columns), newCurve(from, to, columns)
	for _, w := range h.waits {
		if w.to > w.from { // who is served at once stands in no queue
			waiting.add(w.from, 1)
			waiting.add(w.to, -1)
		}
	}
	// A resource with several holders is in use once.
	byKey := make([][]curveStep, len(h.names))
	for _, o := range h.holds {
		for _, k := range o.keys {
			byKey[k] = append(byKey[k], curveStep{o.from, 1}, curveStep{o.to, -1})
		}
	}
	for _, steps := range byKey {
		one := curve{steps: steps}
		one.sort()
		users := 0
		for _, s := range one.steps {
			before := users
			users += s.by
			switch {
			case before == 0 && users > 0:
				busy.add(s.at, 1)
			case before > 0 && users == 0:
				busy.add(s.at, -1)
			}
		}
	}
	return waiting, busy
}

// queueChart draws both, one above the other, since their scales have nothing to
// do with each other.
func (h *Page) queueChart(rep *report.Report) chart {
	waiting, busy := h.queueCurves(rep, queueColumns)
	c := chart{ID: "queue", Title: "Requests waiting, and resources in use, over time", Time: true, W: chartWidth, H: 250,
		Legend: []legend{{"top", "highest in that moment"}, {"held", "mean"}}}
	c.fit("resources in use")
	s := timeScale{rep.From.UnixMicro(), rep.To.UnixMicro(), c.Left, chartWidth - 10}
	c.axis(s, 6, 230)
	c.area(s, waiting, 6, 108, "requests waiting", waiting.peak())
	c.area(s, busy, 128, 228, "resources in use", len(h.names))
	c.Desc = fmt.Sprintf("Time from left to right, in UTC. Above, the requests that wait: %s on average, at most %d. Below, the resources in use, of %d.",
		words.Mean(rep.QueueMean), rep.QueueMax, len(h.names))
	return c
}

// area draws a curve between top and bottom: its highest values behind, its mean
// in front. The mean alone would hide a queue of a minute in a night of hours, the
// highest alone would make one of it. Steps, not slopes: a queue has no halves.
func (c *chart) area(s timeScale, v *curve, top, bottom float64, name string, most int) {
	end := niceMax(float64(max(1, most)))
	// Of three boards, three in use should reach the top; the axis of many ends at a round number.
	if most > 0 && end < 10 {
		end = float64(most)
	}
	y := func(x float64) float64 { return bottom - (bottom-top)*min(1, x/end) }
	means, tops := v.columns()
	w := (s.right - s.left) / float64(v.n)
	highest := make([]float64, len(tops))
	for i, t := range tops {
		highest[i] = float64(t)
	}
	for _, part := range []struct {
		values []float64
		fill   string
	}{{highest, "top"}, {means, "held"}} {
		var d strings.Builder
		fmt.Fprintf(&d, "M%s %s", svgNumber(s.left), svgNumber(bottom))
		for i, m := range part.values {
			if i == 0 || part.values[i-1] != m { // an hour at one height is one line
				fmt.Fprintf(&d, "L%s %sV%s", svgNumber(s.left+float64(i)*w), svgNumber(lastY(i, part.values, y, bottom)), svgNumber(y(m)))
			}
		}
		last := part.values[len(part.values)-1]
		fmt.Fprintf(&d, "L%s %sV%sZ", svgNumber(s.right), svgNumber(y(last)), svgNumber(bottom))
		c.Shapes = append(c.Shapes, shape{Kind: "path", D: d.String(), Fill: part.fill})
	}
	c.line(s.left, bottom, s.right, bottom, "axis")
	c.text(s.left-8, top+9, "end", "tick", svgNumber(end))
	c.text(s.left-8, bottom, "end", "tick", "0")
	c.text(s.left-8, (top+bottom)/2+4, "end", "name", name)
}

// lastY is where the curve comes from at column i.
func lastY(i int, values []float64, y func(float64) float64, bottom float64) float64 {
	if i == 0 {
		return bottom
	}
	return y(values[i-1])
}

// queueTable is the same in numbers.
func (h *Page) queueTable(rep *report.Report) table {
	s := timeScale{from: rep.From.UnixMicro(), to: rep.To.UnixMicro()}
	step := s.step(20)
	us := step.Microseconds()
	first := s.from / us * us // rows begin at round times
	n := int((s.to-first)/us) + 1
	waiting, busy := h.queueCurves(rep, n)
	// The first row begins before the first event, and the last ends behind the last one. What is
	// known still begins and ends with the events: a mean is over that part of the row.
	for _, c := range []*curve{waiting, busy} {
		c.from, c.to = first, first+int64(n)*us
	}
	wm, wt := waiting.columns()
	bm, bt := busy.columns()
	t := table{Caption: "Queue and use over time, from each moment (UTC) for " + stepWords(step), Head: []string{"from", "waiting, mean", "highest", "in use, mean", "highest"}}
	for i := range n {
		t.Rows = append(t.Rows, []string{s.moment(waiting.start(i)), words.Mean(wm[i]), fmt.Sprint(wt[i]), words.Mean(bm[i]), fmt.Sprint(bt[i])})
	}
	return t
}

// stepWords words a step of time, without the zeros that a Duration ends in: 5m, not 5m0s;
// but 10s.
func stepWords(d time.Duration) string {
	s := d.String()
	if d%time.Minute == 0 {
		s = strings.TrimSuffix(s, "0s")
	}
	if d%time.Hour == 0 {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
