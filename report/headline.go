package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// headlinePools bounds the pools that the head of a report speaks of.
const headlinePools = 5

// headline says what happened in a few lines: what a reader needs who reads no
// further. Lines that begin with two spaces belong to the one before.
func (r *Report) headline() []string {
	if r.Total.Requests+len(r.Now) == 0 {
		return []string{fmt.Sprintf("No lock was asked for (%s).", count(r.Events, "event"))}
	}
	t := &r.Total
	waiting := r.waiting()
	first := fmt.Sprintf("%s by %s in %s over %s: ", count(t.Requests+waiting, "request"), count(len(r.Tests), "test"), r.where(), short(r.Window))
	switch {
	case t.Wait.Total == 0 && waiting > 0:
		first += fmt.Sprintf("%d wait, nobody else did.", waiting)
	case t.Wait.Total == 0:
		first += "nobody waited."
	default:
		first += fmt.Sprintf("waited %s in all, P50 %s, P95 %s, longest %s.", short(t.Wait.Total), short(t.Wait.P50), short(t.Wait.P95), short(t.Wait.Max))
	}
	l := []string{first}
	l = append(l, r.pools()...)
	if t.Overtook > 0 {
		l = append(l, fmt.Sprintf("%s: a later request took what an earlier one, still waiting, could have used.", count(t.Overtook, "overtaking")))
	}
	l = append(l, r.Backfill.words()...)
	return append(l, r.trouble()...)
}

// waiting counts the requests whose wait has no end in the events.
func (r *Report) waiting() (n int) {
	for i := range r.Now {
		if r.Now[i].Waiting {
			n++
		}
	}
	return n
}

func (r *Report) where() string {
	if r.Runs > 1 {
		return count(r.Runs, "run")
	}
	return count(r.Processes, "process")
}

// pools words the pools, those that were waited for most first.
func (r *Report) pools() []string {
	pools := slices.Clone(r.Pools)
	slices.SortStableFunc(pools, func(a, b Group) int { return int(max(-1, min(1, sum(b.Blame)-sum(a.Blame)))) })
	var l []string
	for i := range pools {
		g := &pools[i]
		if i == headlinePools || i > 0 && sum(g.Blame) == 0 {
			l = append(l, fmt.Sprintf("and %s.", count(len(pools)-i, "other pool")))
			break
		}
		line := fmt.Sprintf("%s: %s, in use %s (%s)", plain(g.Name), count(g.Size, "resource"), one(g.InUse), percent(g.Utilisation))
		lost := sum(g.Blame)
		if lost > 0 {
			line += fmt.Sprintf(", P95 wait %s, %s lost waiting", short(g.Wait.P95), short(lost))
		}
		if g.QueueMax > 1 {
			line += fmt.Sprintf(", up to %d in line", g.QueueMax)
		}
		l = append(l, line)
		if lost > 0 {
			l = append(l, "  "+blameWords(g.Blame, lost))
		}
	}
	if len(r.Holders) > 0 && r.Holders[0].Caused > 0 {
		h := &r.Holders[0]
		line := fmt.Sprintf("Most waits were caused by %s: %s", plain(r.name(h.Holder)), short(h.Caused))
		if w := h.where(r.Runs > 1); w != "" {
			line += " (" + plain(w) + ")"
		}
		l = append(l, line+".")
	}
	return l
}

// blameWords lists causes by their part, the largest first.
func blameWords(blame []CauseTime, all eventlog.MS) string {
	blame = slices.Clone(blame)
	slices.SortStableFunc(blame, func(a, b CauseTime) int { return int(max(-1, min(1, b.Time-a.Time))) })
	var parts []string
	for _, c := range blame {
		parts = append(parts, percent(portion(c.Time, all))+" "+string(c.Cause))
	}
	return strings.Join(parts, ", ")
}

func sum(l []CauseTime) (total eventlog.MS) {
	for _, c := range l {
		total += c.Time
	}
	return total
}

// trouble words what should not happen.
func (r *Report) trouble() []string {
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
	waits := r.waiting()
	say("Without an end in the events (killed, or still running): ", n(waits, "waiting"), n(len(r.Now)-waits, "holding"))
	if r.Dropped > 0 {
		l = append(l, fmt.Sprintf("%s dropped by their writers: the numbers are too low.", count(int(r.Dropped), "event")+" were"))
	}
	return l
}

// Warnings words what the owner of a CI job should know, the worst first: lost
// leases, tests that gave up, and whom they waited for. One line each.
func (r *Report) Warnings() []string {
	var l []string
	for i := range r.Tests {
		if g := &r.Tests[i]; g.Lost > 0 {
			l = append(l, fmt.Sprintf("%s lost %s while it ran", plain(r.name(Holder{Pkg: g.Pkg, Test: g.Name})), count(g.Lost, "lease")))
		}
	}
	for i := range r.Tests {
		g := &r.Tests[i]
		if g.Requests == g.Acquired {
			continue
		}
		w := fmt.Sprintf("%s gave up %d of %s after waiting up to %s", plain(r.name(Holder{Pkg: g.Pkg, Test: g.Name})), g.Requests-g.Acquired, count(g.Requests, "request"), short(g.Wait.Max))
		if g.BlockedBy != nil {
			w += fmt.Sprintf(", mostly for %s", plain(r.name(g.BlockedBy.Holder)))
			if g.BlockedBy.URL != "" {
				w += " " + plain(g.BlockedBy.URL)
			}
		}
		l = append(l, w)
	}
	for i := range r.Tests {
		if g := &r.Tests[i]; g.Orphaned > 0 {
			l = append(l, fmt.Sprintf("%s died with %s", plain(r.name(Holder{Pkg: g.Pkg, Test: g.Name})), count(g.Orphaned, "lease")))
		}
	}
	if r.Dropped > 0 {
		l = append(l, fmt.Sprintf("%d lock events were dropped: the report is incomplete", r.Dropped))
	}
	return l
}
