package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A View says what [Report.WriteText] and [Report.WriteMarkdown] show. The zero
// value shows what most readers want.
type View struct {
	By  []By // tables, in this order; none means test, pair, resource, holder, and tag where there are any
	Top int  // rows of each table; 0 means 10 in text and 25 in Markdown, less than 0 all
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
)

// Bys lists the tables there are.
var Bys = []By{ByPool, ByTest, ByPair, ByResource, ByTag, ByHolder}

// ParseBy reads a name of Bys.
func ParseBy(s string) (By, error) {
	if i := slices.Index(Bys, By(s)); i >= 0 {
		return Bys[i], nil
	}
	return "", fmt.Errorf("cannot group by %q; known are %v", s, strings.Trim(fmt.Sprint(Bys), "[]"))
}

// A table is rows of cells. The first column is left-aligned, the others, but
// for the last where tail says so, are numbers.
type table struct {
	title string
	note  string // what the numbers mean, where the head does not say it
	head  []string
	rows  [][]string
	more  int  // rows left out
	tail  bool // the last column is words
}

func (r *Report) tables(v View, top int) []table {
	by := v.By
	if len(by) == 0 {
		by = []By{ByTest, ByPair, ByResource, ByHolder}
		if len(r.Tags) > 0 {
			by = append(by, ByTag)
		}
	}
	if v.Top != 0 {
		top = v.Top
	}
	var l []table
	for _, b := range by {
		var t table
		switch b {
		case ByPool:
			t = r.usageTable("Pools", r.Pools)
		case ByResource:
			t = r.usageTable("Resources", r.Resources)
		case ByTag:
			t = r.usageTable("Tags", r.Tags)
		case ByTest:
			t = r.testTable()
		case ByHolder:
			t = r.holderTable()
		case ByPair:
			t = r.pairTable()
		}
		if len(t.rows) == 0 {
			continue
		}
		if top > 0 && len(t.rows) > top {
			t.more = len(t.rows) - top
			t.rows = t.rows[:top]
		}
		l = append(l, t)
	}
	return l
}

// waitCells are the columns that all tables of requests begin with.
func waitCells(g *Group) []string {
	return []string{fmt.Sprint(g.Requests), short(g.Wait.P50), short(g.Wait.P95), short(g.Wait.Max)}
}

// holdCells are P50, P95 and max of holds, if there were any.
func holdCells(s *Stat) []string {
	if s.N == 0 {
		return []string{"-", "-", "-"}
	}
	return []string{short(s.P50), short(s.P95), short(s.Max)}
}

func (r *Report) testTable() table {
	t := table{title: "Tests", note: "by time waited", tail: true,
		head: []string{"test", "requests", "wait P50", "P95", "max", "total", "hold P50", "gave up", "waited most for"}}
	for i := range r.Tests {
		g := &r.Tests[i]
		blocker := ""
		if g.BlockedBy != nil {
			blocker = fmt.Sprintf("%s (%s)", plain(r.name(g.BlockedBy.Holder)), short(g.BlockedBy.Time))
		}
		t.rows = append(t.rows, append(append([]string{r.name(Holder{Pkg: g.Pkg, Test: g.Name})}, waitCells(g)...),
			short(g.Wait.Total), holdCells(&g.Hold)[0], dash(g.Requests-g.Acquired), blocker))
	}
	return t
}

func (r *Report) usageTable(title string, groups []Group) table {
	t := table{title: title, note: "by time waited for them",
		head: []string{strings.ToLower(strings.TrimSuffix(title, "s")), "requests", "wait P50", "P95", "max", "hold P50", "P95", "max", "used"}}
	for i := range groups {
		g := &groups[i]
		cells := append(append([]string{g.Name}, waitCells(g)...), holdCells(&g.Hold)...)
		t.rows = append(t.rows, append(cells, percent(g.Utilisation)))
	}
	return t
}

func (r *Report) holderTable() table {
	t := table{title: "Holders", note: "by the waits of others that they caused", tail: true,
		head: []string{"holder", "holds", "hold P50", "max", "caused", "of all waits", "where"}}
	known := false
	for i := range r.Holders {
		h := &r.Holders[i]
		hold := holdCells(&h.Hold)
		where := h.where(r.Runs > 1)
		known = known || where != ""
		t.rows = append(t.rows, []string{r.name(h.Holder), fmt.Sprint(h.Hold.N), hold[0], hold[2], short(h.Caused),
			percent(portion(h.Caused, r.Total.Wait.Total)), where})
	}
	if !known { // all are of the one run: nothing to tell
		t.head, t.tail = t.head[:len(t.head)-1], false
		for i := range t.rows {
			t.rows[i] = t.rows[i][:len(t.head)]
		}
	}
	return t
}

func (r *Report) pairTable() table {
	t := table{title: "Who waited for whom", note: "by time", tail: true, head: []string{"waiter", "waited", "of all waits", "for"}}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		if p.Time < eventlog.MS(time.Millisecond) && i > 0 {
			break // from here on only who asked in the same moment
		}
		t.rows = append(t.rows, []string{r.name(p.Waiter), short(p.Time), percent(portion(p.Time, r.Total.Wait.Total)),
			plain(r.name(p.Holder)) + ": " + string(p.Cause)})
	}
	return t
}

// where tells the run of a holder, if the reader could not know it.
func (h *HolderGroup) where(runs bool) string {
	switch {
	case h.Runs > 1:
		return count(h.Runs, "run")
	case !runs && h.Hold.N > 0:
		return ""
	case h.URL != "":
		return h.URL
	}
	return h.Run
}

func portion(a, b eventlog.MS) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
