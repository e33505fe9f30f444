package summary

import (
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// help is what makes the time of a cause shorter. Every cause needs words: Verdict has them
// in the middle of a sentence.
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
	first := fmt.Sprintf("Bottleneck: %s; %s", name, reason(r))
	// Who reads only this line is not to buy a board for waits that nobody notices.
	if !r.Matters() {
		first = fmt.Sprintf("No bottleneck: waits were %s of the time with locks, most of them for %s.", words.Percent(r.LockShare()), name)
	}
	l := []string{first}
	for _, a := range v.Advice {
		l = append(l, "  "+advice(&a, v.GaveUp))
	}
	switch {
	case len(v.Advice) > 0:
		// One more would help in any case, but what was in the way is no lack of them.
		if special(v.Cause) && r.Matters() {
			l = append(l, fmt.Sprintf("  What would help, by causes: %s.", help[v.Cause])+caused(r))
		}
	case v.NoEstimate != "":
		l = append(l, fmt.Sprintf("  What would help, by causes: %s. (No replay: %s.)", byCauses(v), v.NoEstimate))
	case r.Matters():
		l = append(l, fmt.Sprintf("  What would help, by causes: %s.", byCauses(v)))
	}
	return l
}

// reason says why something is the bottleneck.
func reason(r *report.Report) string {
	v := r.Verdict
	why := part(words.Short(v.Time), words.Short(r.Total.Wait.Total)) + " of waiting was for it"
	if v.GaveUp == 0 {
		return why + "."
	}
	if v.Time < report.Negligible {
		why = "nobody waited for long" // they made one attempt: "all 0 of waiting" would be told else
	}
	return fmt.Sprintf("%s, and %d of %s gave up.", why, v.GaveUp, words.Count(r.Total.Requests, "request"))
}

// special reports whether a cause is that of somebody in particular, whom another
// resource does not touch.
func special(c report.Cause) bool {
	switch c {
	case report.Orphan, report.Kept, report.Reserved, report.OutOfService, report.Foreign:
		return true
	}
	return false
}

// caused names who caused most.
func caused(r *report.Report) string {
	if r.Verdict.Holder == nil {
		return ""
	}
	return fmt.Sprintf(" Most was caused by %s.", words.Plain(r.Name(r.Verdict.Holder.Holder)))
}

// byCauses is what would help where there is no replay.
func byCauses(v *report.Verdict) string {
	if v.GaveUp > 0 {
		return help[v.Cause] + "; or a longer wait (RTEST_WAIT)"
	}
	return help[v.Cause]
}

// part is how much of a time, which may be all of it.
func part(some, total string) string {
	if some == total {
		return "all " + total
	}
	return some + " of " + total
}

// advice words one thing to do, where so many gave up.
func advice(a *report.Advice, gaveUp int) string {
	what := words.Plain(a.What)
	saved := fmt.Sprintf("saved %s of waiting", span(a.Waits))
	// Less waiting does not always end a run earlier: another test may be what it waits for.
	if a.Makespan.Median >= report.Negligible {
		saved += fmt.Sprintf(" and %s of the run", span(a.Makespan))
	}
	// Those that would have been served come first: the time that is saved says little of them,
	// as a wait that was given up may have been short.
	if a.Served > 0 {
		served := "served " + those(a.Served, gaveUp)
		if a.Waits.Median >= report.Negligible {
			served += ", and " + saved
		}
		saved = served
	}
	switch a.Do {
	case report.Add:
		return fmt.Sprintf("One more of %s would have %s.", what, saved)
	case report.Shorten:
		return fmt.Sprintf("%s, holding half as long, would have %s.", what, saved)
	case report.Expect:
		return fmt.Sprintf("To know before how long each test holds would have %s: say it with Expect, or keep the store between runs, which learns it.", saved)
	case report.WaitLonger:
		return longer(a, gaveUp)
	case report.Remove:
		return fmt.Sprintf("One less of %s would not have been missed.", what)
	}
	return ""
}

// longer words what a longer wait would have brought. A replay knows when what they asked
// for would have been given to them, but not what they would have done with it.
func longer(a *report.Advice, gaveUp int) string {
	if a.Served == 0 {
		return "A longer wait (RTEST_WAIT) would have served none by the last event; what came later, no replay can tell."
	}
	guess := "how long they would have held is a guess"
	if gaveUp == 1 {
		guess = "how long it would have held is a guess"
	}
	l := fmt.Sprintf("A longer wait (RTEST_WAIT), of %s, would have served %s; %s.", span(a.Longest), those(a.Served, gaveUp), guess)
	if a.Served < gaveUp {
		l += " The others still waited at the last event."
	}
	return l
}

// those are some of the ones that gave up.
func those(n, of int) string {
	switch {
	case of == 1:
		return "the 1 that gave up"
	case n >= of:
		return fmt.Sprintf("all %d that gave up", of)
	}
	return fmt.Sprintf("%d of the %d that gave up", n, of)
}

// span is the median, with its range where that is wide enough to matter.
func span(s report.Span) string {
	m := words.Short(s.Median)
	// Tie-breaks that differ by less than a tenth say no more than the median does, nor does a
	// range whose ends read the same. Short is for 0 and more: what is below has its sign here.
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
	const shown = 3 // the name stands in the middle of sentences; JSON has the others
	var l []string
	for _, n := range also[:min(len(also), shown)] {
		l = append(l, words.Plain(n))
	}
	if more := len(also) - shown; more > 0 {
		l = append(l, fmt.Sprintf("and %d more", more))
	}
	return s + " (also " + strings.Join(l, ", ") + ")"
}
