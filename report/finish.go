package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// finish closes what is open and makes the report.
func (f *fold) finish() *Report {
	for len(f.late.events) > 0 {
		f.catchUp()
	}
	r := &Report{
		Pools: []Group{}, Tests: []Group{}, Resources: []Group{}, Tags: []Group{}, Holders: []HolderGroup{}, Pairs: []Pair{},
		Events: f.events, Dropped: f.dropped, Runs: len(f.runs), Processes: len(f.procs), Hosts: len(f.hosts),
		RenewFails: f.renewFails,
	}
	if f.any {
		r.From, r.To = time.UnixMicro(int64(f.begin)).UTC(), time.UnixMicro(int64(f.now)).UTC()
	}
	for _, p := range f.procs {
		if p.unplaced {
			r.Unplaced++
		}
		r.Missing += p.missing()
	}
	window := f.now - f.begin
	r.Window = window.ms()
	r.Now = f.closeOpen()
	f.endTests()
	f.closeUses()
	f.queue.change(f.now, 0)
	r.QueueMean, r.QueueMax = ratio(f.queue.area, window), f.queue.max
	r.Total = f.total.group("")
	r.Blame = causeTimes(&f.total.blame)
	if n := f.total.backfilled; n > 0 {
		r.Backfill = &Backfill{Requests: n, Passed: f.passed.stat()}
	}
	f.resourceGroups(r, window)
	r.learnNames(f.testIDs)
	f.testGroups(r)
	f.pairGroups(r)
	r.Verdict = f.byCauses(r)
	return r
}

// closeOpen ends, for the record, what has no end in the events: as long as its
// process gave signs of life.
func (f *fold) closeOpen() []OpenRequest {
	// A map has no order, and the same events give the same report.
	open := slices.Collect(maps.Values(f.requests))
	slices.SortFunc(open, func(a, b *request) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.seq, b.seq)) })
	var list []OpenRequest
	for _, r := range open {
		until := max(r.proc.last, r.start)
		o := OpenRequest{Holder: f.labels.all[r.label], ID: r.ID, Since: r.Asked, For: (until - r.start).ms()}
		if r.owes && !r.interrupted {
			f.charge(r, r.own)
		}
		if r.waiting || r.interrupted {
			if r.waiting {
				f.exit(r)
				f.countQueue(r, -1)
				f.removeSilent(r, f.now-until)
			} else {
				until = min(until, r.prepareFrom)
			}
			o.For = max(0, until-r.start-r.away).ms()
			r.Waited = o.For.Duration()
			r.blame = rescale(f.merge(r.blame), until-r.start-r.away, blameKey{cause: unknown, pool: r.firstPool()})
			o.Waiting = true
			for _, i := range r.namedPools() {
				o.Wants = append(o.Wants, f.namedPools[i].name)
			}
			f.total.open++
			f.testTotals[f.test(r.label)].totals.open++
			list = append(list, o)
		} else if r.hold != nil && f.closeHold(r, &o, until) {
			list = append(list, o)
		}
		f.over(r)
	}
	return list
}

// removeSilent takes the time after its last sign of life out of the queues.
func (f *fold) removeSilent(r *request, t micros) {
	f.queue.area -= t
	for _, i := range r.namedPools() {
		f.namedPools[i].queue.area -= t
	}
}

// closeHold ends a hold without a release: when its last key went to somebody
// else, else when its lease must have run out; then it may still go on, which
// is what is returned.
func (f *fold) closeHold(r *request, o *OpenRequest, until micros) bool {
	h := r.hold
	o.Since = r.Served
	if h.keys == 0 && len(h.slots) > 0 {
		held := h.end - h.start
		r.Held, r.End = held.ms().Duration(), eventlog.Expired
		f.chargeHold(r, held)
		return false
	}
	until = max(until, h.start)
	r.Held = (until - h.start).ms().Duration()
	o.For = (until - h.start).ms()
	for i := range r.Chosen {
		o.Keys = append(o.Keys, r.Chosen[i].Key)
	}
	// Whoever died cannot renew: the store gives the keys to others one lease after the
	// last sign of life, and they are not in use from then on.
	gone := f.now
	if lease := toMicros(eventlog.MS(r.lease)); lease > 0 {
		gone = min(gone, until+lease)
	}
	for _, s := range r.distinctSlots() {
		for _, u := range s.uses {
			if u.hold == h {
				s.res.taken -= f.now - gone
			}
		}
		if len(s.uses) == 1 && s.uses[0].hold == h {
			s.res.busy -= f.now - max(gone, s.res.begin)
		}
	}
	return true
}

// closeUses brings the use of all resources up to the end of the window.
func (f *fold) closeUses() {
	for _, s := range f.slots {
		if n := len(s.uses); n > 0 {
			s.res.use(f.now, -n)
		} else {
			s.res.use(f.now, 0)
		}
	}
}

// ratio is 0 for an empty window: JSON has no number for what a division by it gives.
func ratio(a, b micros) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func causeTimes(blame *[causeCount]micros) []CauseTime {
	l := []CauseTime{}
	for c, t := range blame {
		if t != 0 {
			l = append(l, CauseTime{causeID(c).public(), t.ms()})
		}
	}
	return l
}

func (t *totals) group(name string) Group {
	g := Group{
		Name: name, Requests: t.requests, Acquired: t.acquired, Lost: t.lost, Orphaned: t.orphaned, Overtaken: t.overtaken, Backfilled: t.backfilled,
		TimedOut: t.gaveUp[eventlog.TimedOut], Skipped: t.gaveUp[eventlog.Skipped], Canceled: t.gaveUp[eventlog.Cancelled],
		Wait: t.waits.stat(), Hold: t.holds.stat(), Blame: causeTimes(&t.blame),
		Prepare: t.prepare.ms(), Restore: t.restore.ms(),
	}
	// An end that only a later version writes counts as a failure, too: the sum is right.
	g.Failed = g.Requests - g.Acquired - g.TimedOut - g.Skipped - g.Canceled
	return g
}

// usage sums up the resources of a group. A licence with three seats is one resource
// and three units: with one seat taken all the time it is in use, and a third utilised.
type usage struct {
	named int    // resources whose keys are in the events
	units int    // seats, or 1 of what is held as a whole
	used  micros // by all units together
	inUse micros // while any unit was used
}

func (u *usage) add(r *resource) {
	used, seats := r.used()
	u.named++
	u.units += seats
	u.used += used
	u.inUse += r.busy
}

func (u *usage) set(g *Group, size int, window micros) {
	g.Size = size
	if size > u.named {
		u.units += size - u.named // known by number only, and never used
	}
	g.InUse = ratio(u.inUse, window)
	if u.units > 0 {
		g.Utilisation = ratio(u.used, window) / float64(u.units)
	}
}

// resourceGroups makes the groups that consist of resources.
func (f *fold) resourceGroups(r *Report, window micros) {
	teams := make([]usage, len(f.namedPools))
	wear := make([]Wear, len(f.namedPools))
	tags := map[string]*usage{}
	for _, key := range slices.Sorted(maps.Keys(f.slots)) {
		res := f.slots[key].res
		var own usage
		own.add(res)
		g := res.totals.group(key)
		own.set(&g, 1, window)
		g.Tags, g.Longest = res.tags, f.longest(res)
		g.FailedPrepares, g.FailedRestores, g.LastError = res.failedPrepares, res.failedRestores, res.lastError
		worn := Use{key, g.Hold.N, g.Hold.Total}
		r.Resources = append(r.Resources, g)
		for _, i := range res.namedPools {
			wear[i].add(worn, teams[i].named == 0)
			teams[i].add(res)
		}
		for k, v := range res.tags {
			t := k + "=" + v
			if tags[t] == nil {
				tags[t] = &usage{}
			}
			tags[t].add(res)
		}
	}
	for i, t := range f.namedPools {
		g := t.totals.group(t.name)
		g.Blame, g.Also = causeTimes(&t.blame), t.also
		teams[i].set(&g, t.size(teams[i].named), window)
		t.queue.change(f.now, 0)
		g.QueueMean, g.QueueMax = ratio(t.queue.area, window), t.queue.max
		if teams[i].named > 1 {
			g.Wear = &wear[i]
		}
		r.Pools = append(r.Pools, g)
	}
	for name, t := range f.tags {
		g := t.group(name)
		if u := tags[name]; u != nil {
			u.set(&g, u.named, window)
		}
		r.Tags = append(r.Tags, g)
	}
	byWait(r.Pools)
	byWait(r.Tags)
	byWait(r.Resources)
}

// byWait puts first what was waited for longest, since it is what to mend first. Names
// decide between equals, so that the same events give the same report.
func byWait(l []Group) {
	slices.SortFunc(l, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Wait.Total, a.Wait.Total), cmp.Compare(b.Hold.Total, a.Hold.Total), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pkg, b.Pkg))
	})
}

// testGroups makes the groups that consist of tests.
func (f *fold) testGroups(r *Report) {
	for i, id := range f.testIDs {
		t := &f.testTotals[i]
		if t.totals.requests+t.totals.open > 0 {
			g := t.totals.group(t.first.String())
			g.Pkg = id.pkg
			r.Tests = append(r.Tests, g)
		}
		var caused micros
		for _, c := range t.caused {
			caused += c
		}
		// A test that asked in vain has held nothing, and nobody waited for it.
		if caused > 0 || t.totals.holds.n > 0 {
			r.Holders = append(r.Holders, HolderGroup{Holder: t.first, Runs: t.runs, Hold: t.totals.holds.stat(), Caused: caused.ms(), Blame: causeTimes(&t.caused)})
		}
	}
	byWait(r.Tests)
	slices.SortFunc(r.Holders, func(a, b HolderGroup) int {
		return cmp.Or(cmp.Compare(b.Caused, a.Caused), cmp.Compare(b.Hold.Total, a.Hold.Total), cmp.Compare(a.Test, b.Test), cmp.Compare(a.Pkg, b.Pkg), cmp.Compare(a.Run, b.Run))
	})
}

// pairGroups lists who waited for whom, and names each test's worst blocker.
func (f *fold) pairGroups(r *Report) {
	all := f.pairs.sorted()
	byTest := map[testKey]map[int32]micros{}
	for _, p := range all {
		w, h := f.testTotals[p.waiter].first, f.testTotals[p.holder].first
		r.Pairs = append(r.Pairs, Pair{w, h, p.cause.public(), p.time.ms()})
		k := f.testIDs[p.waiter]
		if byTest[k] == nil {
			byTest[k] = map[int32]micros{}
		}
		byTest[k][p.holder] += p.time
	}
	r.Others = f.pairs.others.ms()
	names := map[testKey]*Group{}
	for i := range r.Tests {
		names[testKey{r.Tests[i].Pkg, r.Tests[i].Name}] = &r.Tests[i]
	}
	for k, m := range byTest {
		g := names[k]
		if g == nil {
			continue
		}
		for _, h := range slices.Sorted(maps.Keys(m)) {
			if g.BlockedBy == nil || m[h].ms() > g.BlockedBy.Time {
				g.BlockedBy = &Blocker{f.testTotals[h].first, m[h].ms()}
			}
		}
	}
}

// longest is the test that held a resource longest.
func (f *fold) longest(r *resource) *Longest {
	var best *Longest
	for _, t := range slices.Sorted(maps.Keys(r.byTest)) {
		if held := r.byTest[t].ms(); best == nil || held > best.Held {
			best = &Longest{f.testTotals[t].first, held}
		}
	}
	return best
}
