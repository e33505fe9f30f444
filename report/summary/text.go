package summary

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// Text writes a report for a terminal or a log: a headline, then the
// tables of v.
func Text(w io.Writer, r *report.Report, v View) error {
	var b strings.Builder
	for _, l := range Headline(r) {
		fmt.Fprintln(&b, l)
	}
	if r.Total.Requests > 0 {
		for _, t := range Tables(r, v, 10) {
			t.text(&b, v.Width)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) text(b *strings.Builder, most int) {
	fmt.Fprintf(b, "\n%s, %s\n", t.Title, t.Note)
	rows := append([][]string{t.Head}, t.Rows...)
	width := make([]int, len(t.Head))
	for _, row := range rows {
		for i := range row {
			if !t.Numeric(i) {
				// In place: the columns are as wide as what is printed. Tables made the cells anew.
				row[i] = words.Plain(row[i])
				if row[i] == `""` { // how Plain shows nothing; in a table an empty cell does
					row[i] = ""
				}
			}
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	t.narrow(width, most)
	for _, row := range rows {
		var l strings.Builder
		for i, cell := range row {
			cell = elide(cell, width[i])
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if !t.Numeric(i) {
				l.WriteString("  " + cell + pad)
			} else {
				l.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(b, strings.TrimRight(l.String(), " "))
	}
	if t.More > 0 {
		fmt.Fprintf(b, "  … and %d more\n", t.More)
	}
}

// narrow takes width from the widest columns of words until the table fits: numbers
// are what is compared, and a name is known by less than all of it.
func (t *Table) narrow(width []int, most int) {
	const least = 12 // elide leaves five letters in front and six behind, by which a name is known
	for most > 0 {
		all, widest := 0, -1
		for i, w := range width {
			all += w + 2 // two spaces stand before each column
			if !t.Numeric(i) && w > least && (widest < 0 || w > width[widest]) {
				widest = i
			}
		}
		if all <= most || widest < 0 { // below 0: only numbers and short names are left
			return
		}
		width[widest]-- // one at a time: then several long columns end equally wide
	}
}

// elide cuts the middle out of a text that is longer than n. Of an even n the end keeps one
// letter more: names of subtests differ there.
func elide(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:(n-1)/2]) + "…" + string(r[len(r)-n/2:])
}
