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
			t.text(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s, %s\n", t.Title, t.Note)
	rows := append([][]string{t.Head}, t.Rows...)
	width := make([]int, len(t.Head))
	for _, row := range rows {
		for i := range row {
			if !t.Numeric(i) {
				row[i] = words.Plain(row[i])
				if row[i] == `""` {
					row[i] = ""
				}
			}
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var l strings.Builder
		for i, cell := range row {
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
