package report

import (
	"fmt"
	"io"
	"strings"
)

// markdownMax is the size that no report exceeds: GitHub takes 1 MiB for the
// summary of a step, Buildkite for an annotation, and refuses more as a whole.
const markdownMax = 900 << 10

// WriteMarkdown writes the report for the summary of a CI job. It stays below
// 900 KiB, by leaving out rows if it must.
func (r *Report) WriteMarkdown(w io.Writer, v View) error {
	var b strings.Builder
	b.WriteString("## Lock contention\n\n")
	for i, l := range r.headline() {
		text, sub := strings.CutPrefix(l, "  ")
		switch {
		case sub:
			fmt.Fprintf(&b, "  <br>%s\n", markdownEscapes.Replace(text))
		case i == 0:
			fmt.Fprintf(&b, "%s\n\n", markdownEscapes.Replace(text))
		default:
			fmt.Fprintf(&b, "- %s\n", markdownEscapes.Replace(text))
		}
	}
	if r.Total.Requests > 0 {
		for _, t := range r.tables(v, 25) {
			t.markdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) markdown(b *strings.Builder) {
	const reserve = 4 << 10 // for the line that tells of what is left out, and the heads of other tables
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", t.title, t.note)
	b.WriteString("|")
	for _, h := range t.head {
		b.WriteString(" " + h + " |")
	}
	b.WriteString("\n|")
	for i := range t.head {
		if i == 0 || t.words(i) {
			b.WriteString(" --- |")
		} else {
			b.WriteString(" ---: |")
		}
	}
	b.WriteString("\n")
	for n, row := range t.rows {
		var l strings.Builder
		l.WriteString("|")
		for _, cell := range row {
			if cell != "" {
				cell = markdown(cell)
			}
			l.WriteString(" " + cell + " |")
		}
		if b.Len()+l.Len() > markdownMax-reserve {
			t.more += len(t.rows) - n
			break
		}
		fmt.Fprintln(b, l.String())
	}
	if t.more > 0 {
		fmt.Fprintf(b, "\n… and %d more\n", t.more)
	}
}
