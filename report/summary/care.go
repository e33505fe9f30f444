package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// preparationTable is the resources that were prepared or restored.
func preparationTable(r *report.Report) Table {
	t := Table{Title: "Out of service and preparation", Note: "by failures; times are part of neither waits nor holds", Words: 1,
		Head: []string{"resource", "prepares failed", "restores failed", "preparing", "restoring", "held", "last error"}}
	for _, g := range sorted(r.Resources, failures, func(g *report.Group) int { return int(g.Prepare + g.Restore) }) {
		if failures(&g) == 0 && g.Prepare+g.Restore == 0 {
			continue // most suites prepare nothing, and have no such table then
		}
		t.Rows = append(t.Rows, []string{g.Name, dash(g.FailedPrepares), dash(g.FailedRestores), words.Short(g.Prepare), words.Short(g.Restore), words.Short(g.Hold.Total), g.LastError})
	}
	return t
}

func failures(g *report.Group) int { return g.FailedPrepares + g.FailedRestores }

// wearTable is how much resources were used, and by whom. Its order is the one by which
// report.Wear finds the most and the least used: of a single pool, ties apart, the note names
// the first row and the last.
func wearTable(r *report.Report) Table {
	t := Table{Title: "Wear", Note: "by uses", Words: 1, Head: []string{"resource", "uses", "held", "longest by"}}
	t.Note += imbalances(r)
	for _, g := range sorted(r.Resources, func(g *report.Group) int { return g.Hold.N }, func(g *report.Group) int { return int(g.Hold.Total) }) {
		longest := ""
		if l := g.Longest; l != nil {
			longest = fmt.Sprintf("%s (%s)", words.Plain(r.Name(l.Holder)), words.Short(l.Held))
		}
		t.Rows = append(t.Rows, []string{g.Name, fmt.Sprint(g.Hold.N), words.Short(g.Hold.Total), longest})
	}
	return t
}

// imbalancesMax bounds the pools that are compared in words: they stand in the note of a
// table, which is one line. The rows of the table have all resources.
const imbalancesMax = 3

// imbalances compares the resources of each pool, the most unequal pool first.
func imbalances(r *report.Report) string {
	// Equal use needs no words: resources that are used alike wear out together. A clone, since
	// DeleteFunc clears the end of the list, and tables that follow show it.
	pools := slices.DeleteFunc(slices.Clone(r.Pools), func(g report.Group) bool { return g.Wear == nil || g.Wear.Most.Uses == g.Wear.Least.Uses })
	slices.SortStableFunc(pools, func(a, b report.Group) int {
		return cmp.Compare(b.Wear.Most.Uses-b.Wear.Least.Uses, a.Wear.Most.Uses-a.Wear.Least.Uses)
	})
	var b strings.Builder
	for i := range pools[:min(len(pools), imbalancesMax)] {
		w := pools[i].Wear
		fmt.Fprintf(&b, "; of %s, %s most (%s, held %s) and %s least (%s, held %s)", words.Plain(pools[i].Name),
			words.Plain(w.Most.Key), words.Count(w.Most.Uses, "use"), words.Short(w.Most.Held), words.Plain(w.Least.Key), words.Count(w.Least.Uses, "use"), words.Short(w.Least.Held))
	}
	return b.String()
}

// sorted puts the groups with most in front, and leaves the list as it is.
func sorted(l []report.Group, by ...func(*report.Group) int) []report.Group {
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b report.Group) int {
		for _, f := range by {
			if c := cmp.Compare(f(&b), f(&a)); c != 0 {
				return c
			}
		}
		return words.NaturalCompare(a.Name, b.Name) // board-2 before board-10, as a lab is labelled
	})
	return l
}
