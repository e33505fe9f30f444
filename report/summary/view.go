// Package summary says what a report found: in a few lines that a reader needs who
// reads no further, and in tables. [Text] is for a terminal or a log, [Markdown] for
// the summary of a CI job, [JSON] for programs. The page of package html shows the
// same lines and tables.
package summary

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A View says what [Text] and [Markdown] show. The zero
// value shows what most readers want.
type View struct {
	By  []By // tables, in this order; none means test, pair, resource, holder, and tag and preparation where there are any
	Top int  // rows of each table; 0 means 10 in text and 25 in Markdown, less than 0 all
	// Width is what a line of a table in text may have, in characters, as a terminal
	// shows them; 0 means no limit. Names are cut for it, and numbers never.
	Width int
}

// By is what a table is grouped by.
type By string

// The tables.
const (
	ByPool     By = "pool" // name of the requirement
	ByTest     By = "test"
	ByResource By = "resource"
	ByTag      By = "tag"
	ByHolder   By = "holder"
	ByPair     By = "pair" // who waited for whom

	ByPreparation By = "preparation" // resources that failed to be prepared or restored, and the time for that
	ByWear        By = "wear"        // resources by their use
)

// Bys lists the tables there are.
var Bys = []By{ByPool, ByTest, ByPair, ByResource, ByTag, ByHolder, ByPreparation, ByWear}

// ParseBy reads a name of Bys.
func ParseBy(s string) (By, error) {
	if i := slices.Index(Bys, By(s)); i >= 0 {
		return Bys[i], nil
	}
	return "", fmt.Errorf("cannot group by %q; known are %v", s, strings.Trim(fmt.Sprint(Bys), "[]"))
}

// A Table is rows of cells, ready to be shown: [Text], [Markdown] and the page of
// package html write the same one. Its first column names the row, the last Words
// columns are words, those between are numbers.
type Table struct {
	Title string
	Note  string // what the numbers mean, where the head does not say it
	Head  []string
	Words int // how many of the last columns are words
	Rows  [][]string
	More  int // rows left out
}

// Numeric reports whether column i holds numbers.
func (t *Table) Numeric(i int) bool { return i > 0 && i < len(t.Head)-t.Words }

// Tables are the tables of a report that v asks for, without empty ones. Top counts
// for each of them if v does not say how many rows it wants.
func Tables(r *report.Report, v View, top int) []Table {
	by := v.By
	// Pools are left out: the headline has a line for each that mattered.
	if len(by) == 0 {
		by = []By{ByTest, ByPair, ByResource, ByHolder}
		if len(r.Tags) > 0 {
			by = append(by, ByTag)
		}
		by = append(by, ByPreparation)
	}
	if v.Top != 0 {
		top = v.Top
	}
	var l []Table
	for _, b := range by {
		var t Table
		switch b {
		case ByPool:
			t = usageTable(r, "Pools", r.Pools)
		case ByResource:
			t = usageTable(r, "Resources", r.Resources)
		case ByTag:
			t = usageTable(r, "Tags", r.Tags)
		case ByTest:
			t = testTable(r)
		case ByHolder:
			t = holderTable(r)
		case ByPair:
			t = pairTable(r)
		case ByPreparation:
			t = preparationTable(r)
		case ByWear:
			t = wearTable(r)
		}
		if len(t.Rows) == 0 {
			continue
		}
		if top > 0 && len(t.Rows) > top { // below 0: all
			t.More = len(t.Rows) - top
			t.Rows = t.Rows[:top]
		}
		l = append(l, t)
	}
	return l
}

// waitCells are the columns that all tables of requests begin with. A wait of 0 s is one:
// who was served at once counts in its percentiles.
func waitCells(g *report.Group) []string {
	return []string{fmt.Sprint(g.Requests), words.Short(g.Wait.P50), words.Short(g.Wait.P95), words.Short(g.Wait.Max)}
}

// holdCells are P50, P95 and max of holds. Where there were none, 0 s would look like a
// measurement.
func holdCells(s *report.Stat) []string {
	if s.N == 0 {
		return []string{"-", "-", "-"}
	}
	return []string{words.Short(s.P50), words.Short(s.P95), words.Short(s.Max)}
}

func testTable(r *report.Report) Table {
	t := Table{Title: "Tests", Note: "by time waited", Words: 1,
		Head: []string{"test", "requests", "wait P50", "P95", "max", "total", "hold P50", "gave up", "waited most for"}}
	if n := r.Total.Overtaken; n > 0 {
		t.Note += fmt.Sprintf("; %s a later request took what an earlier one, still waiting, could have used", times(n))
	}
	once := !slices.ContainsFunc(r.Tests, severalRequests) // then all figures of a wait are the same
	if once {
		t.Head = []string{"test", "requests", "waited", "held", "gave up", "waited most for"}
	}
	for i := range r.Tests {
		g := &r.Tests[i]
		blocker := ""
		if g.BlockedBy != nil {
			// Plain here: of a cell that is a name and a time, a writer would quote all.
			blocker = fmt.Sprintf("%s (%s)", words.Plain(r.Name(g.BlockedBy.Holder)), words.Short(g.BlockedBy.Time))
		}
		if once {
			t.Rows = append(t.Rows, []string{r.Name(report.Holder{Pkg: g.Pkg, Test: g.Name}), fmt.Sprint(g.Requests), words.Short(g.Wait.Total),
				holdCells(&g.Hold)[0], dash(g.Requests - g.Acquired), blocker})
			continue
		}
		t.Rows = append(t.Rows, append(append([]string{r.Name(report.Holder{Pkg: g.Pkg, Test: g.Name})}, waitCells(g)...),
			words.Short(g.Wait.Total), holdCells(&g.Hold)[0], dash(g.Requests-g.Acquired), blocker))
	}
	return t
}

func severalRequests(g report.Group) bool { return g.Requests > 1 }

func usageTable(r *report.Report, title string, groups []report.Group) Table {
	t := Table{Title: title, Note: "by time waited for them",
		Head: []string{strings.ToLower(strings.TrimSuffix(title, "s")), "requests", "wait P50", "P95", "max", "hold P50", "P95", "max", "used"}}
	for i := range groups {
		g := &groups[i]
		// The name as it is: each writer makes cells of words fit for its own format.
		cells := append(append([]string{g.Name}, waitCells(g)...), holdCells(&g.Hold)...)
		t.Rows = append(t.Rows, append(cells, words.Percent(g.Utilisation)))
	}
	return t
}

func holderTable(r *report.Report) Table {
	t := Table{Title: "Holders", Note: "by the waits of others that they caused", Words: 1,
		Head: []string{"holder", "holds", "hold P50", "max", "caused", "of all waits", "where"}}
	known := false
	for i := range r.Holders {
		h := &r.Holders[i]
		hold := holdCells(&h.Hold)
		where := holderRun(h, r.Runs > 1)
		known = known || where != ""
		t.Rows = append(t.Rows, []string{r.Name(h.Holder), fmt.Sprint(h.Hold.N), hold[0], hold[2], words.Short(h.Caused),
			words.Percent(words.Portion(h.Caused, r.Total.Wait.Total)), where})
	}
	if !known { // all are of the one run: nothing to tell
		t.Head, t.Words = t.Head[:len(t.Head)-1], 0
		for i := range t.Rows {
			t.Rows[i] = t.Rows[i][:len(t.Head)]
		}
	}
	return t
}

// pairTable ends with the sum of the pairs that the report does not keep.
func pairTable(r *report.Report) Table {
	t := Table{Title: "Who waited for whom", Note: "by time", Words: 2, Head: []string{"waiter", "waited", "of all waits", "because of", "cause"}}
	others := r.Others
	row := func(waiter string, time eventlog.MS, holder, cause string) {
		t.Rows = append(t.Rows, []string{waiter, words.Short(time), words.Percent(words.Portion(time, r.Total.Wait.Total)), holder, cause})
	}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		// The first is shown however short it is, or "others" could be all there is.
		if p.Time < eventlog.MS(time.Millisecond) && i > 0 {
			others += p.Time // from here on only who asked in the same moment
			continue
		}
		row(r.Name(p.Waiter), p.Time, r.Name(p.Holder), string(p.Cause))
	}
	if others >= eventlog.MS(time.Millisecond) {
		row("others", others, "", "")
	}
	return t
}

// holderRun tells the run of a holder, if the reader could not know it.
func holderRun(h *report.HolderGroup, runs bool) string {
	switch {
	case h.Runs > 1:
		return words.Count(h.Runs, "run")
	case !runs && h.Hold.N > 0: // its holds are in the events, so it is of the one run
		return ""
	case h.URL != "": // rather than an identity: on the page it is a link to the job
		return h.URL
	}
	return h.Run
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprint(n, " times")
}

func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
