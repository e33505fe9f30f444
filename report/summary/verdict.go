package summary

import (
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// help is what makes the time of a cause shorter.
var help = map[report.Cause]string{
	report.PoolFull:     "more resources, or shorter holds",
	report.Behind:       "fewer or smaller requests for many at once; Expect, so that short ones may go first",
	report.Orphan:       "shorter leases (RTEST_TTL)",
	report.Kept:         "a shorter HoldOnFail, or freeing by hand (rtest-report free)",
	report.Reserved:     "shorter reservations, or a talk with those who reserve (rtest-report ls)",
	report.OutOfService: "mending what is out of service (rtest-report ls)",
	report.Foreign:      "a look at what else uses the resources",
	report.StoreFault:   "a look at the lock server and the network",
	report.Unknown:      "events of all runs that share the resources, in one report",
}

// Help is what makes the time that was waited for a cause shorter.
func Help(c report.Cause) string { return help[c] }

// Verdict says in a few lines what most waits were for, what to do about it, and
// what that would bring. There is none where nobody waited for long.
func Verdict(r *report.Report) []string {
	v := r.Verdict
	if v == nil {
		return nil
	}
	name := poolName(v.Pool, v.Also)
	first := fmt.Sprintf("Bottleneck: %s; %s of waiting was for it.", name, part(words.Short(v.Time), words.Short(r.Total.Wait.Total)))
	// Who reads only this line is not to buy a board for waits that nobody notices.
	if !r.Matters() {
		first = fmt.Sprintf("No bottleneck: waits were %s of the time with locks, most of them for %s.", words.Percent(r.LockShare()), name)
	}
	l := []string{first}
	for _, a := range v.Advice {
		l = append(l, "  "+advice(&a))
	}
	switch {
	case len(v.Advice) > 0:
	case v.NoEstimate != "":
		l = append(l, fmt.Sprintf("  What would help, by causes: %s. (No replay: %s.)", help[v.Cause], v.NoEstimate))
	case r.Matters():
		l = append(l, fmt.Sprintf("  What would help, by causes: %s.", help[v.Cause]))
	}
	return l
}

// part is how much of a time, which may be all of it.
func part(some, total string) string {
	if some == total {
		return "all " + total
	}
	return some + " of " + total
}

// advice words one thing to do.
func advice(a *report.Advice) string {
	what := words.Plain(a.What)
	saved := fmt.Sprintf("would have saved %s of waiting", span(a.Waits))
	// Less waiting does not always end a run earlier: another test may be what it waits for.
	if a.Makespan.Median >= report.Negligible {
		saved += fmt.Sprintf(" and %s of the run", span(a.Makespan))
	}
	switch a.Do {
	case report.Add:
		return fmt.Sprintf("One more of %s %s.", what, saved)
	case report.Shorten:
		return fmt.Sprintf("%s, holding half as long, %s.", what, saved)
	case report.Expect:
		return fmt.Sprintf("To know before how long each test holds %s: say it with Expect, or keep the store between runs, which learns it.", saved)
	case report.Remove:
		return fmt.Sprintf("One less of %s would not have been missed.", what)
	}
	return ""
}

// span is the median, with its range where that is wide enough to matter.
func span(s report.Span) string {
	m := words.Short(s.Median)
	// Tie-breaks that differ by less than a tenth say no more than the median does.
	if s.Max-s.Min < s.Median/10 || words.Short(max(0, s.Min)) == words.Short(s.Max) {
		return m
	}
	lo := words.Short(max(0, s.Min))
	if s.Min < 0 {
		lo = "-" + words.Short(-s.Min)
	}
	return fmt.Sprintf("%s (%s to %s)", m, lo, words.Short(s.Max))
}

// poolName is a pool with its other names.
func poolName(name string, also []string) string {
	s := words.Plain(name)
	if len(also) == 0 {
		return s
	}
	const shown = 3
	var l []string
	for _, n := range also[:min(len(also), shown)] {
		l = append(l, words.Plain(n))
	}
	if more := len(also) - shown; more > 0 {
		l = append(l, fmt.Sprintf("and %d more", more))
	}
	return s + " (also " + strings.Join(l, ", ") + ")"
}
