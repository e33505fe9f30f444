package whatif

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// WriteText writes the estimates as a table and, below it, in words.
func (e *Estimates) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Estimates, from a replay of %s in %s; ranges are over %s.\n",
		words.Count(e.Requests, "request"), words.Count(e.Lanes, "lane"), words.Count(e.Seeds, "random tie-break"))
	if e.GaveUp > 0 {
		fmt.Fprintf(&b, "%s up waiting, and in a replay after as long, unless served before; then held as long as that test usually does, or else others that ask for the same.\n", words.Count(e.GaveUp, "request")+" gave")
	}
	if e.Unended > 0 {
		fmt.Fprintf(&b, "%s without an end in the events: taken to have ended when somebody else got the resource, or with the last sign of life.\n", words.Count(e.Unended, "request"))
	}
	if e.LeftOut > 0 {
		fmt.Fprintf(&b, "Left out: %s refused for another reason than a long wait.\n", words.Count(e.LeftOut, "request"))
	}
	if e.lost != "" {
		fmt.Fprintf(&b, "%s: what they told is not in the replay.\n", e.lost)
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  \tmakespan\twaited in all\tP95 wait")
	rows := []Scenario{e.Recorded, e.Replayed}
	rows[1].Name = "replayed with " + e.Replayed.Policy.String()
	if e.Changed != nil {
		rows = append(rows, *e.Changed)
	}
	for _, s := range rows {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", s.Name, s.Makespan, s.Waited, s.P95)
	}
	t.Flush()
	b.WriteString("\n")
	e.words(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// words says what the table means.
func (e *Estimates) words(b *strings.Builder) {
	if off := (e.Replayed.Waited.Median - e.Recorded.Waited.Median).Abs(); off > e.Recorded.Waited.Median/5 && off > e.Recorded.Makespan.Median/50 {
		fmt.Fprintf(b, "The replay waits %s in all, not the recorded %s: trust its waits less than its makespan.\n", e.Replayed.Waited, e.Recorded.Waited)
	}
	if c := e.Changed; c != nil {
		fmt.Fprintf(b, "%s: this run would have taken %s, and waited %s in all (estimate).\n", c.Name,
			words.Difference(c.Makespan.Median-e.Replayed.Makespan.Median, e.Replayed.Makespan.Median), words.Difference(c.Waited.Median-e.Replayed.Waited.Median, e.Replayed.Waited.Median))
		if c.Makespan.Min < e.Replayed.Makespan.Median && c.Makespan.Max > e.Replayed.Makespan.Median {
			b.WriteString("The makespan may be either shorter or longer than it was: luck decides, not this change.\n")
		}
	}
	if a := e.Advice; a != nil && a.Enough {
		fmt.Fprintf(b, "%s: %d, instead of %d now, give a P95 wait of at most %s (estimate: %s).\n", words.Plain(a.Of), a.Needed, a.Now, a.WaitP95, a.P95)
	} else if a != nil {
		fmt.Fprintf(b, "%s: not even %d, instead of %d now, give a P95 wait of at most %s (estimate: %s): something else is waited for.\n", words.Plain(a.Of), a.Needed, a.Now, a.WaitP95, a.P95)
	}
}

// String is the range, or the one figure that it is.
func (r Range) String() string {
	lo, hi := words.Short(eventlog.MS(r.Min)), words.Short(eventlog.MS(r.Max))
	if lo == hi {
		return lo
	}
	return lo + "–" + hi
}
