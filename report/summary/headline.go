package summary

import (
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// headlinePools bounds the pools that the head of a report speaks of. What comes after
// them, such as lost leases, matters more than a sixth pool; the table ByPool has all.
const headlinePools = 5

// Headline says what happened in a few lines: what a reader needs who reads no
// further. Lines that begin with two spaces belong to the one before.
func Headline(r *report.Report) []string {
	// Now, too: of a request that still waits Total knows nothing, and a run that is looked at
	// in the middle may have no others.
	if r.Total.Requests+len(r.Now) == 0 {
		return []string{fmt.Sprintf("No lock was asked for (%s).", words.Count(r.Events, "event"))}
	}
	t := &r.Total
	open := waiting(r) // no part of Total yet: how long they wait in the end is not known
	first := fmt.Sprintf("%s by %s in %s over %s: ", words.Count(t.Requests+open, "request"), words.Count(len(r.Tests), "test"), where(r), words.Short(r.Window))
	switch {
	case t.Wait.Total == 0 && open > 0: // "nobody waited" would be wrong of those who wait now
		first += fmt.Sprintf("%d wait, nobody else did.", open)
	case t.Wait.Total == 0:
		first += "nobody waited."
	default:
		first += fmt.Sprintf("waited %s in all, P50 %s, P95 %s, longest %s.", words.Short(t.Wait.Total), words.Short(t.Wait.P50), words.Short(t.Wait.P95), words.Short(t.Wait.Max))
	}
	// The verdict first: Markdown makes the first line bold, and many read no other.
	l := Verdict(r)
	for _, s := range r.Suspects {
		l = append(l, "Suspect: "+s+".")
	}
	l = append(l, first)
	l = append(l, pools(r)...)
	l = append(l, backfillWords(r.Backfill)...)
	return append(l, trouble(r)...)
}

// waiting counts the requests whose wait has no end in the events.
func waiting(r *report.Report) (n int) {
	for i := range r.Now {
		if r.Now[i].Waiting {
			n++
		}
	}
	return n
}

// where counts the runs, or of one run the processes: go test ./... has one for each
// package, so that of several runs their number would say nothing.
func where(r *report.Report) string {
	if r.Runs > 1 {
		return words.Count(r.Runs, "run")
	}
	return words.Count(r.Processes, "process")
}

// pools words the pools, those that were waited for most first.
func pools(r *report.Report) []string {
	// By what was lost for them, and not as the report has them, by Wait.Total: the wait for
	// a board and the chamber counts in full for both pools there, and here it is divided.
	// Only the sign of a difference is kept: int may have 32 bits, of which 2.2 s are too many.
	pools := slices.Clone(r.Pools)
	slices.SortStableFunc(pools, func(a, b report.Group) int { return int(max(-1, min(1, b.Blamed()-a.Blamed()))) })
	var l []string
	for i := range pools {
		g := &pools[i]
		// The first is told even if nobody waited for it: how busy it was is news as well.
		if i == headlinePools || i > 0 && g.Blamed() < report.Negligible {
			l = append(l, fmt.Sprintf("and %s.", words.Count(len(pools)-i, "other pool")))
			break
		}
		line := fmt.Sprintf("%s: %s, in use %s (%s)", poolName(g.Name, g.Also), words.Count(g.Size, "resource"), words.Mean(g.InUse), words.Percent(g.Utilisation))
		lost := g.Blamed()
		if lost >= report.Negligible {
			line += fmt.Sprintf(", P95 wait %s, %s lost waiting", words.Short(g.Wait.P95), words.Short(lost))
		}
		if g.QueueMax > 1 { // one in line is there at each wait
			line += fmt.Sprintf(", up to %d in line", g.QueueMax)
		}
		l = append(l, line)
		if lost >= report.Negligible {
			l = append(l, "  "+Causes(g.Blame, lost))
		}
	}
	// The report has the holders by what they caused, so the first is the worst, for whatever
	// pool: it may be another than that of the first line.
	if len(r.Holders) > 0 && r.Holders[0].Caused >= report.Negligible {
		h := &r.Holders[0]
		line := fmt.Sprintf("Most waits were caused by %s: %s", words.Plain(r.Name(h.Holder)), words.Short(h.Caused))
		if w := holderRun(h, r.Runs > 1); w != "" {
			line += " (" + words.Plain(w) + ")"
		}
		l = append(l, line+".")
	}
	return l
}

// Causes lists causes by their part, the largest first.
func Causes(blame []report.CauseTime, all eventlog.MS) string {
	blame = slices.Clone(blame)
	slices.SortStableFunc(blame, func(a, b report.CauseTime) int { return int(max(-1, min(1, b.Time-a.Time))) })
	var parts []string
	for i, c := range blame {
		// The largest stays: where all are that short, a list of none would look like a mistake.
		if i > 0 && c.Time < report.Negligible {
			break // a millisecond of which the cause is not known is none that matters
		}
		parts = append(parts, words.Percent(words.Portion(c.Time, all))+" "+string(c.Cause))
	}
	return strings.Join(parts, ", ")
}

// trouble words what should not happen.
func trouble(r *report.Report) []string {
	var l []string
	say := func(head string, parts ...string) {
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
		if len(parts) > 0 {
			l = append(l, head+strings.Join(parts, ", ")+".")
		}
	}
	n := func(n int, words string) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n, " ", words)
	}
	t := &r.Total
	say("Gave up: ", n(t.TimedOut, "timed out"), n(t.Skipped, "skipped"), n(t.Failed, "failed"), n(t.Canceled, "cancelled"))
	say("Leases: ", n(t.Lost, "lost"), n(t.Orphaned, "orphaned by a holder that died"), n(r.RenewFails, "renewals that did not get through"))
	waits := waiting(r) // whoever is in Now and does not wait holds
	say("Without an end in the events (killed, or still running): ", n(waits, "waiting"), n(len(r.Now)-waits, "holding"))
	if r.Unplaced > 0 {
		l = append(l, fmt.Sprintf("The clocks of %s could not be compared with those of other machines; they were taken as they are, and what is said of the waits between them may be wrong.", words.Count(r.Unplaced, "process")))
	}
	if r.Dropped > 0 {
		by := "were dropped by their writers"
		if r.Dropped == 1 {
			by = "was dropped by its writer"
		}
		l = append(l, fmt.Sprintf("%s %s: the numbers are too low.", words.Count(int(r.Dropped), "event"), by))
	}
	return l
}

// Warnings words what the owner of a CI job should know: what would make waits
// shorter, if a replay can tell; what failures follow; lost leases, tests that gave up, and whom they
// waited for. One line each, the most important first: whoever prints them may cut the list
// after ten, as GitHub does. rtest-report tells their order in the help of --ci.
func Warnings(r *report.Report) []string {
	var l []string
	// To do with one less makes no wait shorter: it is no warning.
	if r.Matters() && len(r.Verdict.Advice) > 0 && r.Verdict.Advice[0].Do != report.Remove {
		// An annotation is one line: of all advice the first, which Verdict writes behind its
		// own line. There is one, as Advice is not empty.
		lines := Verdict(r)
		l = append(l, lines[0]+" "+strings.TrimSpace(lines[1]))
	}
	for _, s := range r.Suspects {
		l = append(l, "suspect: "+s)
	}
	for i := range r.Tests {
		if g := &r.Tests[i]; g.Lost > 0 {
			l = append(l, fmt.Sprintf("%s lost %s while it ran", words.Plain(r.Name(report.Holder{Pkg: g.Pkg, Test: g.Name})), words.Count(g.Lost, "lease")))
		}
	}
	for i := range r.Tests {
		g := &r.Tests[i]
		if g.Requests == g.Acquired {
			continue
		}
		w := fmt.Sprintf("%s gave up %d of %s after waiting up to %s", words.Plain(r.Name(report.Holder{Pkg: g.Pkg, Test: g.Name})), g.Requests-g.Acquired, words.Count(g.Requests, "request"), words.Short(g.Wait.Max))
		if g.BlockedBy != nil {
			w += fmt.Sprintf(", mostly for %s", words.Plain(r.Name(g.BlockedBy.Holder)))
			if g.BlockedBy.URL != "" { // the CI shows the warning without the report, which names the job
				w += " " + words.Plain(g.BlockedBy.URL)
			}
		}
		l = append(l, w)
	}
	// For the lease of a dead holder others only wait longer. A lost one, above, may be used by
	// two at a time.
	for i := range r.Tests {
		if g := &r.Tests[i]; g.Orphaned > 0 {
			l = append(l, fmt.Sprintf("%s died with %s", words.Plain(r.Name(report.Holder{Pkg: g.Pkg, Test: g.Name})), words.Count(g.Orphaned, "lease")))
		}
	}
	if r.Dropped > 0 {
		were := "were"
		if r.Dropped == 1 {
			were = "was"
		}
		l = append(l, fmt.Sprintf("%s %s dropped: the report is incomplete", words.Count(int(r.Dropped), "lock event"), were))
	}
	return l
}
