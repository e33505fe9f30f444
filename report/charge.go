package report

import (
	"cmp"
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// charge adds a wait that is over to everything it counts for.
func (f *fold) charge(r *request, waited micros) {
	r.owes = false
	if r.PassedBy > 0 {
		f.passed.add(waited)
	}
	f.total.served(r, waited)
	me := f.test(r.label)
	f.testTotals[me].totals.served(r, waited)
	for _, i := range r.namedPools() {
		f.namedPools[i].totals.served(r, waited)
	}
	for _, t := range r.tagList() {
		f.tag(t).served(r, waited)
	}
	if r.hold != nil {
		for _, s := range r.distinctSlots() {
			s.res.totals.served(r, waited)
		}
	}
	for _, p := range r.blame {
		if p.pool >= 0 {
			f.namedPools[p.pool].blame[p.cause] += p.time
		}
		if p.label != 0 {
			other := f.test(p.label)
			f.testTotals[other].caused[p.cause] += p.time
			f.pairs.add(pair{me, other, p.cause}, p.time)
		}
	}
}

// chargeHold adds a hold that is over to everything it counts for.
func (f *fold) chargeHold(r *request, held micros) {
	add := func(t *totals) {
		t.holds.add(held)
		if r.End != eventlog.Release {
			if r.End == eventlog.Lost {
				t.lost++
			} else {
				t.orphaned++
			}
		}
	}
	me := f.test(r.label)
	add(&f.testTotals[me].totals)
	own := r.ownSlots()
	if len(own) == 0 && len(r.hold.within) > 0 {
		return // a hold above counts for all of it
	}
	add(&f.total)
	for _, i := range r.namedPools() {
		add(&f.namedPools[i].totals)
	}
	for _, t := range r.tagList() {
		add(f.tag(t))
	}
	for _, s := range own {
		add(&s.res.totals)
		s.res.heldBy(me, held)
	}
}

// over forgets a request.
func (f *fold) over(r *request) {
	delete(f.requests, r.ID)
	if f.opts.OnRequest == nil {
		return
	}
	for _, p := range r.blame {
		s := Share{Cause: p.cause.public(), Holder: f.labels.all[p.label], Time: p.time.ms()}
		if p.pool >= 0 {
			s.Pool = f.namedPools[p.pool].name
		}
		r.Blame = append(r.Blame, s)
	}
	f.opts.OnRequest(&r.Request)
}

func (f *fold) tag(name string) *totals {
	t := f.tags[name]
	if t == nil {
		t = &totals{}
		f.tags[name] = t
	}
	return t
}

// test is the test behind a label, whichever its run.
func (f *fold) test(l labelID) int32 {
	for len(f.byLabel) <= int(l) {
		h := f.labels.all[len(f.byLabel)]
		k := testKey{h.Pkg, h.Test}
		i, ok := f.tests[k]
		if !ok {
			i = int32(len(f.testIDs))
			f.tests[k] = i
			f.testIDs = append(f.testIDs, k)
			f.testTotals = append(f.testTotals, testTotals{first: h})
		}
		f.testTotals[i].runs++
		f.byLabel = append(f.byLabel, i)
	}
	return f.byLabel[l]
}

// merge sums the parts that have the same key, as a request leaves some each
// time that it goes from one queue to another.
func (f *fold) merge(l []part) []part {
	if len(l) < 2 || slices.IsSortedFunc(l, func(a, b part) int { return cmp.Or(a.compare(b.blameKey), -1) }) {
		return l // each key once, as when it left one queue only
	}
	clear(f.scratch)
	for _, p := range l {
		f.scratch.add(p.blameKey, p.time)
	}
	return f.scratch.sorted()
}
