// Package openmetrics writes the OpenMetrics text format, 1.0.
package openmetrics

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A Writer writes families one after the other: Family, and then each Value of it.
type Writer struct{ w *bufio.Writer }

// NewWriter makes a Writer. End it with End.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriter(w)} }

// Family begins a family. Its unit, if it has one, is the end of its name.
func (m *Writer) Family(name, kind, unit, help string) {
	fmt.Fprintf(m.w, "# TYPE %s %s\n", name, kind)
	if unit != "" {
		fmt.Fprintf(m.w, "# UNIT %s %s\n", name, unit)
	}
	fmt.Fprintf(m.w, "# HELP %s %s\n", name, escapes.Replace(help))
}

// Value writes a sample; labels are names and values in turn.
func (m *Writer) Value(name string, v float64, labels ...string) {
	m.w.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		open := ","
		if i == 0 {
			open = "{"
		}
		fmt.Fprintf(m.w, `%s%s="%s"`, open, labels[i], label(labels[i+1]))
	}
	if len(labels) > 0 {
		m.w.WriteString("}")
	}
	fmt.Fprintf(m.w, " %s\n", strconv.FormatFloat(v, 'g', -1, 64))
}

// End marks the end. Its error is that of the io.Writer.
func (m *Writer) End() error {
	fmt.Fprintln(m.w, "# EOF")
	return m.w.Flush()
}

var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// label is a name as the value of a label. The format escapes line feeds; what else
// a terminal or an editor would obey is written as Go writes it.
func label(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = words.Visible(lines[i])
	}
	return escapes.Replace(strings.Join(lines, "\n"))
}
