package whatif

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// WriteText writes the estimates as a table and, below it, in words.
func (e *Estimates) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Estimates, from a replay of %s in %s. Other runs, of which %d were played, start and hold a little differently.\n",
		words.Count(e.Requests, "request"), words.Count(e.Lanes, "lane"), e.Seeds)
	if e.GaveUp > 0 {
		fmt.Fprintf(&b, "%s up waiting, and in a replay after as long, unless served before; then held as long as that test usually does, or else others that ask for the same.\n", words.Count(e.GaveUp, "request")+" gave")
	}
	if e.Unended > 0 {
		fmt.Fprintf(&b, "%s without an end in the events: taken to have ended when somebody else got the resource, or with the last sign of life.\n", words.Count(e.Unended, "request"))
	}
	if e.LeftOut > 0 {
		fmt.Fprintf(&b, "Left out: %s refused for another reason than a long wait.\n", words.Count(e.LeftOut, "request"))
	}
	if e.Decided {
		b.WriteString("The replay lets those past others whom the store let past them in the run, as the events do not tell what it expected of them; in all other rows it decides anew.\n")
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
	rows = append(rows, e.Others)
	if e.OthersChanged != nil {
		rows = append(rows, *e.OthersChanged)
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
		fmt.Fprintf(b, "Other runs would take %s.\n", between(e.less.Min, e.less.Max))
	}
	if a := e.Advice; a != nil && a.Enough {
		fmt.Fprintf(b, "%s: %d, instead of %d now, give a P95 wait of at most %s (estimate: %s).\n", words.Plain(a.Of), a.Needed, a.Now, a.WaitP95, a.P95)
	} else if a != nil {
		fmt.Fprintf(b, "%s: not even %d, instead of %d now, give a P95 wait of at most %s (estimate: %s): something else is waited for.\n", words.Plain(a.Of), a.Needed, a.Now, a.WaitP95, a.P95)
	}
}

// between words what is saved at least and at most, which may be less than nothing.
func between(least, most time.Duration) string {
	short := func(d time.Duration) string { return words.Short(eventlog.MS(d.Abs())) }
	switch {
	case short(least) == short(most) && least >= 0:
		return short(most) + " less"
	case least >= 0:
		return short(least) + " to " + short(most) + " less"
	case most <= 0 && short(least) == short(most):
		return short(most) + " more"
	case most <= 0:
		return short(most) + " to " + short(least) + " more"
	}
	return fmt.Sprintf("from %s more to %s less: luck decides, not this change", short(least), short(most))
}

// String is the median with its range, or the one figure that they are.
func (r Range) String() string {
	lo, hi := words.Short(eventlog.MS(r.Min)), words.Short(eventlog.MS(r.Max))
	if lo == hi {
		return lo
	}
	return fmt.Sprintf("%s (%s–%s)", words.Short(eventlog.MS(r.Median)), lo, hi)
}
