package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// An htmlPage is what the template shows.
type htmlPage struct {
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

// A section is a chart with its tables.
type section struct {
	ID, Title, Intro string
	Charts           []chart
	Tables           []htmlTable
}

// An htmlTable is a table. Its first column names the row.
type htmlTable struct {
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
func (t htmlTable) Folded() bool { return len(t.Rows) > foldedRows }

// Numeric reports whether column i holds numbers.
func (t htmlTable) Numeric(i int) bool { return i > 0 && i < len(t.Head)-t.Words }

// Link reports whether a cell is an address that a reader can follow. Others are
// shown as text, whatever they look like.
func (t htmlTable) Link(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// pageRows bounds each table. Who needs all rows has rtest-report summary.
const pageRows = 40

func (h *HTML) view(rep *Report) htmlPage {
	p := htmlPage{Title: cmp.Or(h.Title, "Lock contention"), Warning: h.Warning}
	for _, l := range rep.headline() {
		text, sub := strings.CutPrefix(l, "  ")
		p.Headline = append(p.Headline, headlineLine{text, sub})
	}
	if rep.Events == 0 {
		return p
	}
	p.From, p.To = rep.From.UTC().Format("2006-01-02 15:04:05 UTC"), rep.To.UTC().Format("2006-01-02 15:04:05 UTC")
	p.Length = short(rep.Window)
	if rep.Total.Requests+len(rep.Now) == 0 {
		return p
	}
	p.Tiles = tiles(rep)
	if sum(rep.Blame) > 0 {
		p.Sections = append(p.Sections, blameSection(rep))
	}
	p.Sections = append(p.Sections, waitsSection(rep))
	intro := ""
	if n := len(rep.Resources); n > timelineRows {
		intro = fmt.Sprintf("The %d of %d that were waited for most, and all others in the last row.", timelineRows, n)
	}
	p.Sections = append(p.Sections, section{
		ID: "resources", Title: "Resources", Intro: intro,
		Charts: []chart{h.timeline(rep)}, Tables: []htmlTable{pageTable(rep, ByResource)},
	})
	// In a window without length there is nothing over time.
	if rep.Window > 0 {
		p.Sections = append(p.Sections, section{ID: "over-time", Title: "The queue", Charts: []chart{h.queueChart(rep)}, Tables: []htmlTable{h.queueTable(rep)}})
	}
	p.Sections = append(p.Sections, section{ID: "tests", Title: "Tests", Tables: []htmlTable{pageTable(rep, ByTest)}})
	if t := h.endsTable(rep); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, section{ID: "trouble", Title: "What went wrong", Tables: []htmlTable{t}})
	}
	if len(rep.Now) > 0 {
		p.Sections = append(p.Sections, section{ID: "open", Title: "Without an end", Intro: "Killed, or still running.", Tables: []htmlTable{openTable(rep)}})
	}
	return p
}

func tiles(rep *Report) []tile {
	t := &rep.Total
	l := []tile{
		{"waited in all", short(t.Wait.Total), percent(rep.LockShare()) + " of the time from asking to giving back"},
		{"P95 wait", short(t.Wait.P95), "P50 " + short(t.Wait.P50) + ", longest " + short(t.Wait.Max)},
		{"requests", fmt.Sprint(t.Requests), fmt.Sprintf("%d acquired, %d gave up", t.Acquired, t.Requests-t.Acquired)},
		{"highest queue", fmt.Sprint(rep.QueueMax), one(rep.QueueMean) + " waiting on average"},
	}
	if n := t.Lost + t.Orphaned; n > 0 {
		l = append(l, tile{"leases lost", fmt.Sprint(n), fmt.Sprintf("%d lost, %d orphaned", t.Lost, t.Orphaned)})
	}
	return l
}

func blameSection(rep *Report) section {
	s := section{ID: "waits", Title: "Because of whom", Intro: "Every second of waiting is given to one cause, and to one holder where there is one.",
		Charts: []chart{causesChart(rep)}, Tables: []htmlTable{causesTable(rep)}}
	if slices.ContainsFunc(rep.Holders, func(h HolderGroup) bool { return h.Caused > 0 }) {
		s.Charts = append(s.Charts, blameChart(rep))
		s.Tables = append(s.Tables, pageTable(rep, ByHolder), pairTable(rep))
	}
	return s
}

func waitsSection(rep *Report) section {
	s := section{ID: "pools", Title: "What was waited for", Charts: []chart{waitsChart("by-pool", "Waits by pool", rep.Pools)}, Tables: []htmlTable{pageTable(rep, ByPool)}}
	if len(rep.Tags) > 0 {
		s.Charts = append(s.Charts, waitsChart("by-tag", "Waits by tag", rep.Tags))
		s.Tables = append(s.Tables, pageTable(rep, ByTag))
	}
	return s
}

// pageTable is a table of the report.
func pageTable(rep *Report, by By) htmlTable {
	tables := rep.tables(View{By: []By{by}, Top: pageRows}, pageRows)
	if len(tables) == 0 {
		return htmlTable{} // of no rows; the template leaves it away
	}
	t := tables[0]
	h := htmlTable{Caption: t.title + ", " + t.note, Head: t.head, Rows: t.rows, More: t.more}
	if t.tail {
		h.Words = 1
	}
	for _, row := range h.Rows {
		for i := range row {
			if i == 0 || !h.Numeric(i) {
				row[i] = pageName(row[i])
			}
		}
	}
	return h
}

// pageName is a name as it can be shown.
func pageName(s string) string {
	if s == "" {
		return ""
	}
	return plain(s)
}

func pairTable(rep *Report) htmlTable {
	t := htmlTable{Caption: "Who waited because of whom", Head: []string{"waiting", "time", "because of", "cause"}, Words: 2}
	for i, p := range rep.Pairs {
		if i == pageRows {
			break
		}
		t.Rows = append(t.Rows, []string{pageName(p.Waiter.String()), short(p.Time), pageName(p.Holder.String()), string(p.Cause)})
	}
	// The report bounds its pairs, the page bounds them more: both are the others.
	rest := rep.Others
	for _, p := range rep.Pairs[len(t.Rows):] {
		rest += p.Time
	}
	if rest > 0 {
		t.Rows = append(t.Rows, []string{"others", short(rest), "", ""})
	}
	return t
}

func (h *HTML) endsTable(rep *Report) htmlTable {
	s := timeScale{from: rep.From.UnixMicro(), to: rep.To.UnixMicro()}
	t := htmlTable{Caption: "Requests that gave up, and leases that were lost", Head: []string{"test", "at (UTC)", "waited", "what", "mostly for", "said"}, Words: 3}
	// By time, as they come to be known in the order of their ends.
	slices.SortStableFunc(h.ends, func(a, b htmlEnd) int { return cmp.Compare(a.at, b.at) })
	for i, e := range h.ends {
		if i == pageRows {
			break
		}
		t.Rows = append(t.Rows, []string{pageName(h.who[e.test].name), s.moment(e.at), short(eventlog.MS(e.waited)), e.what, pageName(e.by), said(e.said)})
	}
	t.More = len(h.ends) - len(t.Rows) + h.more
	return t
}

// said is an error as it can be shown: cut, since it may list a whole lab.
func said(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func openTable(rep *Report) htmlTable {
	s := timeScale{from: rep.From.UnixMicro(), to: rep.To.UnixMicro()}
	t := htmlTable{Caption: "Waits and holds whose end is not in the events", Head: []string{"test", "since (UTC)", "for", "state", "what"}, Words: 2}
	for i, o := range rep.Now {
		if i == pageRows {
			t.More = len(rep.Now) - i
			break
		}
		state, what := "holds", o.Keys
		if o.Waiting {
			state, what = "waits", o.Wants
		}
		t.Rows = append(t.Rows, []string{pageName(o.Holder.String()), s.moment(o.Since.UnixMicro()), short(o.For), state, pageName(strings.Join(what, ", "))})
	}
	return t
}
