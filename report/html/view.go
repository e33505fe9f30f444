package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/suspects"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// A content is what the template shows.
type content struct {
	Title, Warning   string
	Window           string
	Headline         []headlineLine
	Tiles            []tile
	Sections         []section
	From, To, Length string
}

type headlineLine struct {
	Text string
	Sub  bool
}

// A tile is a number that stands out.
type tile struct{ Label, Value, Note string }

// A section is a chart with its tables. The template writes the n-th table behind the n-th
// chart, and then the tables for which there is no chart: their order pairs them.
type section struct {
	ID, Title, Intro string
	Charts           []chart
	Tables           []table
}

// A table is a table. Its first column names the row.
type table struct {
	Caption, Note string
	Head          []string
	Words         int // how many of the last columns are words and not numbers
	Rows          [][]string
	More          int // rows left out
}

// foldedRows is how many rows a table may have without being folded: longer ones
// would push the next chart off the screen. A details element needs no script.
const foldedRows = 12

// Folded reports whether it is shown only when asked for.
func (t table) Folded() bool { return len(t.Rows) > foldedRows }

// Numeric reports whether column i holds numbers.
func (t table) Numeric(i int) bool { return i > 0 && i < len(t.Head)-t.Words }

// Link reports whether a cell is an address that a reader can follow. Others are
// shown as text, whatever they look like.
func (t table) Link(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// pageRows bounds each table. Who needs all rows has rtest-report summary.
const pageRows = 40

func (h *Page) view(rep *report.Report) content {
	p := content{Title: cmp.Or(h.Title, "Lock contention"), Warning: h.Warning}
	for _, l := range summary.Headline(rep) {
		text, sub := strings.CutPrefix(l, "  ")
		p.Headline = append(p.Headline, headlineLine{text, sub})
	}
	if rep.Events == 0 { // there is no first and no last moment
		return p
	}
	p.From, p.To = rep.From.UTC().Format("2006-01-02 15:04:05 UTC"), rep.To.UTC().Format("2006-01-02 15:04:05 UTC")
	p.Length = words.Short(rep.Window)
	if rep.Total.Requests+len(rep.Now) == 0 { // the headline says so; tiles of zeros would say less
		return p
	}
	p.Tiles = tiles(rep)
	if rep.Total.Blamed() > 0 {
		p.Sections = append(p.Sections, blameSection(rep))
	}
	p.Sections = append(p.Sections, waitsSection(rep))
	intro := ""
	if n := len(rep.Resources); n > timelineRows {
		intro = fmt.Sprintf("The %d of %d that were waited for most, and all others in the last row.", timelineRows, n)
	}
	p.Sections = append(p.Sections, section{
		ID: "resources", Title: "Resources", Intro: intro,
		Charts: []chart{h.timeline(rep)}, Tables: []table{pageTable(rep, summary.ByResource), pageTable(rep, summary.ByWear)},
	})
	if t := pageTable(rep, summary.ByPreparation); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, section{ID: "preparation", Title: "Out of service and preparation", Tables: []table{t}})
	}
	// In a window without length there is nothing over time.
	if rep.Window > 0 {
		p.Sections = append(p.Sections, section{ID: "over-time", Title: "The queue", Charts: []chart{h.queueChart(rep)}, Tables: []table{h.queueTable(rep)}})
	}
	if h.Suspects != nil && h.Suspects.Failed > 0 {
		p.Sections = append(p.Sections, suspectsSection(h.Suspects))
	}
	tests := section{ID: "tests", Title: "Tests"}
	// Where nobody waited it has the shapes of an axis, and no legend.
	if c := h.waitsTimeline(rep); rep.Window > 0 && len(c.Shapes) > 0 && len(c.Legend) > 0 {
		tests.Charts = []chart{c}
	}
	tests.Tables = []table{pageTable(rep, summary.ByTest)}
	p.Sections = append(p.Sections, tests)
	if t := h.endsTable(rep); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, section{ID: "trouble", Title: "What went wrong", Tables: []table{t}})
	}
	if len(rep.Now) > 0 {
		p.Sections = append(p.Sections, section{ID: "open", Title: "Without an end", Intro: "Killed, or still running.", Tables: []table{openTable(rep)}})
	}
	return p
}

func tiles(rep *report.Report) []tile {
	t := &rep.Total
	l := []tile{
		{"waited in all", words.Short(t.Wait.Total), words.Percent(rep.LockShare()) + " of the time from asking to giving back"},
		{"P95 wait", words.Short(t.Wait.P95), "P50 " + words.Short(t.Wait.P50) + ", longest " + words.Short(t.Wait.Max)},
		{"requests", fmt.Sprint(t.Requests), fmt.Sprintf("%d acquired, %d gave up", t.Acquired, t.Requests-t.Acquired)},
		{"highest queue", fmt.Sprint(rep.QueueMax), words.Mean(rep.QueueMean) + " waiting on average"},
	}
	if n := t.Lost + t.Orphaned; n > 0 {
		l = append(l, tile{"leases lost", fmt.Sprint(n), fmt.Sprintf("%d lost, %d orphaned", t.Lost, t.Orphaned)})
	}
	return l
}

func blameSection(rep *report.Report) section {
	s := section{ID: "waits", Title: "Because of whom", Intro: "Every second of waiting is given to one cause, and to one holder where there is one.",
		Charts: []chart{causesChart(rep)}, Tables: []table{causesTable(rep)}}
	// Where all waits were for faults of the store, nobody is named.
	if slices.ContainsFunc(rep.Holders, func(h report.HolderGroup) bool { return h.Caused > 0 }) {
		s.Charts = append(s.Charts, blameChart(rep))
		s.Tables = append(s.Tables, pageTable(rep, summary.ByHolder), pageTable(rep, summary.ByPair))
	}
	return s
}

// suspectsSection is what failures follow.
func suspectsSection(r *suspects.Result) section {
	s := section{ID: "suspects", Title: "What failures follow", Intro: r.Summary()}
	t := table{Caption: "Suspects, compared with the same tests without them", Head: []string{"suspect", "failed", "of runs with it", "failed", "of runs without it", "chance"}, Words: 1}
	// All of them, and not pageRows: what chance could have done is left out already.
	for i := range r.Suspects {
		o := &r.Suspects[i]
		name := words.Plain(o.Name)
		if o.Kind == suspects.Pair {
			name = words.Plain(o.Test) + " on " + name
		}
		t.Rows = append(t.Rows, []string{name, fmt.Sprint(o.Failed), fmt.Sprint(o.Uses), fmt.Sprint(o.ElseFails), fmt.Sprint(o.Else), o.Chance()})
	}
	all := table{Caption: "Tests that fail wherever they run", Head: []string{"test", "failed", "of runs", "on resources"}}
	for i, o := range r.Everywhere {
		if i == pageRows {
			all.More = len(r.Everywhere) - i
			break
		}
		all.Rows = append(all.Rows, []string{words.Plain(o.Name), fmt.Sprint(o.Failed), fmt.Sprint(o.Runs), fmt.Sprint(o.Resources)})
	}
	s.Tables = []table{t, all}
	return s
}

func waitsSection(rep *report.Report) section {
	s := section{ID: "pools", Title: "What was waited for", Charts: []chart{waitsChart("by-pool", "Waits by pool", rep.Pools)}, Tables: []table{pageTable(rep, summary.ByPool)}}
	if len(rep.Tags) > 0 {
		s.Charts = append(s.Charts, waitsChart("by-tag", "Waits by tag", rep.Tags))
		s.Tables = append(s.Tables, pageTable(rep, summary.ByTag))
	}
	return s
}

// pageTable is a table of the report.
func pageTable(rep *report.Report, by summary.By) table {
	l := summary.Tables(rep, summary.View{By: []summary.By{by}}, pageRows)
	if len(l) == 0 {
		return table{} // of no rows; the template leaves it away
	}
	t := l[0]
	h := table{Caption: t.Title + ", " + t.Note, Head: t.Head, Words: t.Words, Rows: t.Rows, More: t.More}
	// The template keeps names from being markup. What could turn the line around is quoted here,
	// and a name of 900 letters cut.
	for _, row := range h.Rows {
		for i := range row {
			if i == 0 || !h.Numeric(i) {
				row[i] = pageName(row[i])
			}
		}
	}
	return h
}

// pageName is a name as it can be shown. An empty cell stays empty, where Plain shows "", as
// it has to in a sentence.
func pageName(s string) string {
	if s == "" {
		return ""
	}
	return words.Plain(s)
}

// nameOf is what the page calls a test: with its package where several have a test of
// that name.
func (h *Page) nameOf(rep *report.Report, test int32) string {
	t := h.who[test]
	return rep.Name(report.Holder{Pkg: t.pkg, Test: t.name})
}

func (h *Page) endsTable(rep *report.Report) table {
	s := timeScale{from: rep.From.UnixMicro(), to: rep.To.UnixMicro()}
	t := table{Caption: "Requests that gave up, and leases that were lost", Head: []string{"test", "at (UTC)", "waited", "what", "mostly for", "said"}, Words: 3}
	// By time, as they come to be known in the order of their ends.
	slices.SortStableFunc(h.ends, func(a, b badEnd) int { return cmp.Compare(a.at, b.at) })
	for i, e := range h.ends {
		if i == pageRows {
			break
		}
		by := ""
		if e.by != (report.Holder{}) {
			by = rep.Name(e.by)
		}
		t.Rows = append(t.Rows, []string{pageName(h.nameOf(rep, e.test)), s.moment(e.at), words.Short(eventlog.MS(e.waited)), e.what, pageName(by), words.Cut(e.said)})
	}
	t.More = len(h.ends) - len(t.Rows) + h.more
	return t
}

func openTable(rep *report.Report) table {
	s := timeScale{from: rep.From.UnixMicro(), to: rep.To.UnixMicro()}
	t := table{Caption: "Waits and holds whose end is not in the events", Head: []string{"test", "since (UTC)", "for", "state", "what"}, Words: 2}
	for i, o := range rep.Now {
		if i == pageRows {
			t.More = len(rep.Now) - i
			break
		}
		state, what := "holds", o.Keys
		if o.Waiting {
			state, what = "waits", o.Wants
		}
		t.Rows = append(t.Rows, []string{pageName(rep.Name(o.Holder)), s.moment(o.Since.UnixMicro()), words.Short(o.For), state, pageName(strings.Join(what, ", "))})
	}
	return t
}
