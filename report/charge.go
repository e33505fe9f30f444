package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

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

// A care sums up Prepare and Restore of a resource, or of the resources of a group.
type care struct {
	prepare, restore micros
}

// unfit notes for which resource Prepare or Restore failed. The producer tells how
// long Restore took only once it has.
func (f *fold) unfit(e *eventlog.Event) {
	failedRestore := e.RestoreMS > 0
	if r := f.requests[e.RequestID()]; r != nil && r.hold != nil && !failedRestore {
		r.unprepared = true
	}
	for i := range e.Chosen {
		res := f.slot(e.Chosen[i].Key).res
		if failedRestore {
			res.failedRestores++
		} else {
			res.failedPrepares++
		}
		res.lastError, _, _ = strings.Cut(e.Error, "\n")
	}
}

// careOf adds the time of Prepare and Restore that an event tells to everything that
// it counts for.
func (f *fold) careOf(r *request, e *eventlog.Event) care {
	c := care{toMicros(e.PrepareMS), toMicros(e.RestoreMS)}
	if c == (care{}) {
		return c
	}
	r.Prepared += c.prepare.ms().Duration()
	r.Restored += c.restore.ms().Duration()
	add := func(t *totals) { t.prepare, t.restore = t.prepare+c.prepare, t.restore+c.restore }
	add(&f.total)
	add(&f.testTotals[f.test(r.label)].totals)
	for _, i := range r.namedPools() {
		add(&f.namedPools[i].totals)
	}
	for _, t := range r.tagList() {
		add(f.tag(t))
	}
	for _, s := range r.distinctSlots() {
		add(&s.res.totals)
	}
	return c
}

// A request whose Prepare failed gives back what it got and goes on, at its place in
// line, under another identity. It is one request, which waits once:
//
//	0s  TestA asks as r1 for a board
//	2s  it is given board-1 as r1, whose Prepare fails after 3 s
//	5s  it gives that back as r1, and asks as r1-1 for another one
//	6s  it is given board-2 as r1-1: it waited for 3 s

// interrupt lets a request give back what it could not prepare.
func (f *fold) interrupt(r *request, e *eventlog.Event) {
	f.removeAll(r.hold)
	if t := f.testRun(e, r.proc); t != nil {
		t.forgo(r.Chosen)
	}
	if r.first == "" {
		r.first = r.ID[:min(len(r.ID), requestIDLen)]
	}
	r.interrupted, r.unprepared, r.prepareFrom = true, false, r.hold.start
	r.Vain = append(r.Vain, Request{Chosen: r.Chosen, Served: time.UnixMicro(int64(r.prepareFrom)).UTC(), Ended: time.UnixMicro(int64(f.now)).UTC()})
	r.hold, r.Chosen, r.Backfilled = nil, nil, false
	r.Outcome, r.Served = "", time.Time{}
	f.interrupted[r.first] = r
}

// requestIDLen is what of an identity is kept when a request goes on under another
// one, which ends in "-" and the number of resources that could not be prepared.
const requestIDLen = 26

// resume finds the interrupted request that an event of another identity is about.
func (f *fold) resume(e *eventlog.Event, p *proc) *request {
	i := strings.LastIndexByte(e.Req, '-')
	if i < 0 || len(f.interrupted) == 0 {
		return nil
	}
	r := f.interrupted[e.Req[:i]]
	if _, err := strconv.ParseUint(e.Req[i+1:], 10, 32); r == nil || err != nil || r.proc != p {
		return nil
	}
	delete(f.requests, r.ID)
	f.goesOn(r)
	r.ID = e.Req
	f.requests[r.ID] = r
	return r
}

// goesOn ends the interruption of a request.
func (f *fold) goesOn(r *request) {
	if !r.interrupted {
		return
	}
	delete(f.interrupted, r.first)
	r.interrupted = false
	r.away += f.now - r.prepareFrom
}
