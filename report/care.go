package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

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
	if t := f.testRun(e); t != nil { // it did not run on that
		for _, c := range r.Chosen {
			for i := len(t.Held) - 1; i >= 0; i-- {
				if t.Held[i].Key == c.Key {
					t.Held = slices.Delete(t.Held, i, i+1)
					break
				}
			}
		}
	}
	if r.first == "" {
		r.first = r.ID[:min(len(r.ID), requestIDLen)]
	}
	r.interrupted, r.unprepared, r.prepareFrom = true, false, r.hold.start
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
