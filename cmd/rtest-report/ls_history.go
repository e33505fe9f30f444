package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A learned is what ls --history prints as JSON.
type learned struct {
	Store string  `json:"store"`
	Tests []usage `json:"tests"`
}

type usage struct {
	Package      string      `json:"package,omitempty"`
	Test         string      `json:"test"`
	Requirements []string    `json:"requirements"` // their names; empty for one that has none
	Holds        int         `json:"holds"`
	Median       eventlog.MS `json:"median_ms"` // what is expected of it
	Shortest     eventlog.MS `json:"shortest_ms"`
	Longest      eventlog.MS `json:"longest_ms"`
	Last         time.Time   `json:"last"` // the end of the last one
}

// lsHistory prints what the store has learned about the tests, or about all if
// none is named. A test stands for its subtests, too.
func lsHistory(ctx context.Context, w io.Writer, store lockcore.Store, tests []string, format string) error {
	// The Locker is for the one call; who opened the store closes it.
	known, err := lockcore.New(store, nil).History(ctx)
	if err != nil {
		return err
	}
	l := learned{Store: store.String(), Tests: []usage{}}
	for _, u := range known {
		named := slices.ContainsFunc(tests, func(t string) bool { return u.Test == t || strings.HasPrefix(u.Test, t+"/") })
		if len(tests) == 0 || named {
			l.Tests = append(l.Tests, usage{u.Package, u.Test, u.Requirements, u.Holds, eventlog.MS(u.Median), eventlog.MS(u.Shortest), eventlog.MS(u.Longest), u.Last.UTC()})
		}
	}
	if format == "json" {
		return indented(w, l)
	}
	return l.text(w)
}

func (l *learned) text(w io.Writer) error {
	fmt.Fprintf(w, "%s: tests with a history: %d\n", printable(l.Store), len(l.Tests))
	var rows [][]string
	for _, u := range l.Tests {
		var names []string
		for _, n := range u.Requirements {
			if n == "" { // " and " between nothing would look like a mistake
				n = "(unnamed)"
			}
			names = append(names, n)
		}
		rows = append(rows, []string{u.Test, strings.Join(names, " and "), strconv.Itoa(u.Holds), age(u.Median.Duration()), age(u.Shortest.Duration()),
			age(u.Longest.Duration()), u.Last.Local().Format(time.DateTime), u.Package})
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return columns(w, []string{"TEST", "HOLDS", "TIMES", "MEDIAN", "SHORTEST", "LONGEST", "LAST", "PACKAGE"}, rows)
}
