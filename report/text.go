package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteText writes the report for a terminal or a log: a headline, then the
// tables of v.
func (r *Report) WriteText(w io.Writer, v View) error {
	var b strings.Builder
	for _, l := range r.headline() {
		fmt.Fprintln(&b, l)
	}
	if r.Total.Requests > 0 {
		for _, t := range r.tables(v, 10) {
			t.text(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s, %s\n", t.title, t.note)
	rows := append([][]string{t.head}, t.rows...)
	width := make([]int, len(t.head))
	for _, row := range rows {
		for i := range row {
			if i == 0 || t.words(i) {
				row[i] = plain(row[i])
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
			if i == 0 || t.words(i) {
				l.WriteString("  " + cell + pad)
			} else {
				l.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(b, strings.TrimRight(l.String(), " "))
	}
	if t.more > 0 {
		fmt.Fprintf(b, "  … and %d more\n", t.more)
	}
}

// words reports whether column i holds words.
func (t *table) words(i int) bool { return t.tail && i == len(t.head)-1 }
