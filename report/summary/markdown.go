package summary

import (
	"fmt"
	"io"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// markdownMax is the size that no report exceeds: GitHub takes 1 MiB for the
// summary of a step, Buildkite for an annotation, and refuses more as a whole.
const markdownMax = 900 << 10

// Markdown writes a report for the summary of a CI job. It stays below
// 900 KiB, by leaving out rows if it must.
func Markdown(w io.Writer, r *report.Report, v View) error {
	var b strings.Builder
	b.WriteString("## Lock contention\n\n")
	// Lines that belong to one before begin with <br>, since Markdown joins lines. Those of an
	// item of the list are indented, which keeps them in it:
	//
	//	- boards: 3 resources, in use 2.0 (66%)
	//	  <br>39% pool full, 26% behind another request
	first := true // the first line, with what belongs to it, is a paragraph; a list follows
	for i, l := range Headline(r) {
		text, sub := strings.CutPrefix(l, "  ")
		text = words.EscapeMarkdown(text)
		switch {
		case i == 0:
			fmt.Fprintf(&b, "**%s**\n", text)
		case sub && first:
			fmt.Fprintf(&b, "<br>%s\n", text)
		case sub:
			fmt.Fprintf(&b, "  <br>%s\n", text)
		default:
			if first { // else the list would be more of the paragraph, in dialects that want a gap
				b.WriteString("\n")
			}
			first = false
			fmt.Fprintf(&b, "- %s\n", text)
		}
	}
	// While all still wait the tables would have rows of zeros only.
	if r.Total.Requests > 0 {
		for _, t := range Tables(r, v, 25) {
			t.markdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) markdown(b *strings.Builder) {
	const reserve = 4 << 10 // for the line that tells of what is left out, and the heads of other tables
	// Folded, so that what comes after the headline is on the first screen, too. Inside of HTML a
	// table is read as Markdown only behind an empty line.
	fmt.Fprintf(b, "\n<details><summary>%s, %s</summary>\n\n", t.Title, t.Note)
	b.WriteString("|")
	for _, h := range t.Head {
		b.WriteString(" " + h + " |")
	}
	b.WriteString("\n|")
	for i := range t.Head {
		if !t.Numeric(i) {
			b.WriteString(" --- |")
		} else {
			b.WriteString(" ---: |")
		}
	}
	b.WriteString("\n")
	for n, row := range t.Rows {
		var l strings.Builder
		l.WriteString("|")
		for _, cell := range row {
			if cell != "" { // which Markdown would show as "", as it does a test without a name
				cell = words.Markdown(cell)
			}
			l.WriteString(" " + cell + " |")
		}
		if b.Len()+l.Len() > markdownMax-reserve {
			t.More += len(t.Rows) - n // beside those that Top left out: the line tells of both
			break
		}
		fmt.Fprintln(b, l.String())
	}
	if t.More > 0 {
		fmt.Fprintf(b, "\n… and %d more\n", t.More)
	}
	b.WriteString("\n</details>\n")
}
