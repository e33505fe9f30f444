package html

import (
	"fmt"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// causeFills are the patterns of causes. They differ without colours. Each name is that of a
// pattern in page.tmpl, p-full of "full": a shape whose fill is not there is drawn as nothing.
var causeFills = map[report.Cause]string{report.PoolFull: "full", report.Behind: "behind", report.Orphan: "orphan", report.Kept: "keptby", report.Reserved: "person", report.OutOfService: "outage", report.Foreign: "foreign", report.StoreFault: "fault", report.Unknown: "unknown"}

// stack draws a bar whose parts are causes. Parts too small to see keep half a
// pixel: that there is a store fault matters more than its exact width.
func (c *chart) stack(x, y, width, height float64, blame []report.CauseTime, all eventlog.MS, who string) {
	if all <= 0 {
		return
	}
	var done eventlog.MS
	for _, b := range blame {
		// Both ends from the sums so far: widths that are rounded one by one would not add up to
		// the bar.
		x0, x1 := width*float64(done)/float64(all), width*float64(done+b.Time)/float64(all)
		done += b.Time
		c.rect(x+x0, y, max(0.5, x1-x0), height, causeFills[b.Cause], fmt.Sprintf("%s%s: %s, %s", who, b.Cause, words.Short(b.Time), words.Percent(float64(b.Time)/float64(all))))
	}
}

func causeLegend(blame []report.CauseTime) (l []legend) {
	for _, b := range blame {
		l = append(l, legend{causeFills[b.Cause], string(b.Cause)})
	}
	return l
}

// causesChart is what all waits were spent on, as one bar.
func causesChart(rep *report.Report) chart {
	all := rep.Total.Blamed()
	// Without a narrow twin: what gets too small on a phone are names, and it has none.
	c := chart{ID: "causes", Title: "What the waits were spent on", W: chartWidth, H: 34, Legend: causeLegend(rep.Blame)}
	c.stack(0, 2, chartWidth, 30, rep.Blame, all, "")
	if all > 0 {
		c.Desc = "One bar for " + words.Short(all) + " of waiting: " + summary.Causes(rep.Blame, all) + "."
	}
	return c
}

func causesTable(rep *report.Report) table {
	t := table{Caption: "Causes of waiting", Head: []string{"cause", "time", "share", "what helps"}, Words: 1}
	all := rep.Total.Blamed()
	for _, b := range rep.Blame {
		t.Rows = append(t.Rows, []string{string(b.Cause), words.Short(b.Time), words.Percent(words.Portion(b.Time, all)), summary.Help(b.Cause)})
	}
	return t
}

const blameRows = 12

// blameChart is how much waiting each holder caused.
func blameChart(rep *report.Report) chart {
	c, narrow := blameBars(rep, "blame", chartWidth), blameBars(rep, "blame-narrow", narrowWidth)
	c.Narrow = &narrow
	return c
}

func blameBars(rep *report.Report, id string, width float64) chart {
	c := chart{ID: id, Title: "Who was waited for", W: width}
	var blamed []report.HolderGroup
	for _, h := range rep.Holders {
		if h.Caused > 0 {
			blamed = append(blamed, h)
		}
	}
	shown := blamed[:min(len(blamed), blameRows)]
	// The rest is one bar, not left out: many small culprits can outweigh a big one.
	others := report.HolderGroup{}
	times := map[report.Cause]eventlog.MS{}
	for _, h := range blamed[len(shown):] {
		others.Caused += h.Caused
		for _, b := range h.Blame {
			times[b.Cause] += b.Time
		}
	}
	used := map[report.Cause]bool{}
	// In the order of all other bars, and not in that of a map, which changes: the same events
	// give the same page.
	for _, cause := range report.Causes {
		if times[cause] > 0 {
			others.Blame = append(others.Blame, report.CauseTime{Cause: cause, Time: times[cause]})
		}
	}
	longest := max(1, others.Caused) // theirs may be the longest bar
	var names []string               // without that of the others, which begins as no test does
	for _, h := range shown {
		longest = max(longest, h.Caused)
		names = append(names, rep.Name(h.Holder))
	}
	if n := len(blamed) - len(shown); n > 0 {
		others.Test = words.Count(n, "other")
		shown = append(shown[:len(shown):len(shown)], others)
	}
	c.fit(names...)
	const room = 90 // for the number after the bar
	y := 4.0
	for _, h := range shown {
		c.label(y+rowHeight-5, rep.Name(h.Holder))
		width := (c.W - c.Left - room) * float64(h.Caused) / float64(longest)
		c.stack(c.Left, y, width, rowHeight, h.Blame, h.Caused, rep.Name(h.Holder)+", ")
		c.text(c.Left+width+6, y+rowHeight-5, "", "tick", words.Short(h.Caused))
		y += rowHeight + rowGap
		for _, b := range h.Blame {
			used[b.Cause] = true
		}
	}
	for _, cause := range report.Causes {
		if used[cause] {
			c.Legend = append(c.Legend, legend{causeFills[cause], string(cause)})
		}
	}
	c.H = y + 2
	if len(shown) > 0 {
		c.Desc = fmt.Sprintf("A bar for each test that others waited for, longest first, divided by cause. The first is %s with %s.", words.Plain(rep.Name(shown[0].Holder)), words.Short(shown[0].Caused))
	}
	return c
}

const waitRows = 15

// waitsChart compares how long requests of each group waited. All bars have one
// scale, linear: on a logarithmic one a second looks like a minute.
func waitsChart(id, title string, groups []report.Group) chart {
	c, narrow := waitsBars(id, title, groups, chartWidth), waitsBars(id+"-narrow", title, groups, narrowWidth)
	c.Narrow = &narrow
	return c
}

func waitsBars(id, title string, groups []report.Group, width float64) chart {
	c := chart{ID: id, Title: title, W: width, Legend: []legend{{"held", "up to P50"}, {"top", "up to P95"}, {"line", "to the longest"}}}
	shown := groups[:min(len(groups), waitRows)]
	longest := eventlog.MS(1)
	var names []string
	for _, g := range shown {
		longest = max(longest, g.Wait.Max)
		names = append(names, g.Name)
	}
	c.fit(names...)
	const room = 90 // for the words behind the line, as "11m40s P95"
	x := func(m eventlog.MS) float64 { return (c.W - c.Left - room) * float64(m) / float64(longest) }
	y := 4.0
	for _, g := range shown {
		c.label(y+rowHeight-5, g.Name)
		tip := fmt.Sprintf("%s: %s, P50 %s, P95 %s, longest %s", words.Plain(g.Name), words.Count(g.Requests, "request"), words.Short(g.Wait.P50), words.Short(g.Wait.P95), words.Short(g.Wait.Max))
		// The light bar first, and the dark one over its beginning. Each is a pixel wide at least,
		// so that a group of short waits is not taken for one that has none.
		c.line(c.Left+x(g.Wait.P95), y+rowHeight/2, c.Left+x(g.Wait.Max), y+rowHeight/2, "whisker")
		c.rect(c.Left, y+2, max(1, x(g.Wait.P95)), rowHeight-4, "top", tip)
		c.rect(c.Left, y+2, max(1, x(g.Wait.P50)), rowHeight-4, "held", tip)
		c.text(c.Left+x(g.Wait.Max)+6, y+rowHeight-5, "", "tick", words.Short(g.Wait.P95)+" P95")
		y += rowHeight + rowGap
	}
	// Percentiles of the others together are not known: percentiles do not add up.
	if n := len(groups) - len(shown); n > 0 {
		c.text(c.Left-8, y+rowHeight-5, "end", "name", words.Count(n, "other"))
		c.text(c.Left, y+rowHeight-5, "", "tick", "with less time waited in all")
		y += rowHeight + rowGap
	}
	c.H = y + 2
	c.Desc = "A bar for each: dark up to the median wait, light up to the 95th percentile, a line to the longest wait."
	return c
}
