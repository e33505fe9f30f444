package rtest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// record writes the events of one call and, after it, of its lease, and counts
// for RTEST_REPORT. Both are off, and cost next to nothing, unless asked for.
// None of its methods blocks or fails a test.
type record struct {
	log   *eventlog.Writer
	sums  *sums
	attrs bool

	id     string // of the request
	test   eventlog.TestInfo
	first  bool // of the test
	cfg    config
	limit  time.Duration
	parent string // the lease in which the call is nested
	wishes []wish
	reqs   []lockcore.Requirement
	start  time.Time
	seen   string // the blockers that an event told of
}

// spent is what the time of a lease went into.
type spent struct{ held, prepare, restore time.Duration }

// open says where the record goes. A record that is not opened goes nowhere.
func (r *record) open(t TB, env settings) {
	r.log, r.sums, r.attrs = eventLog(env.events), reportSums(env.report), attrsShow(t, env.attrs)
}

// wantsLine reports whether somebody wants to know who is in the way as soon as
// the request has to wait.
func (r *record) wantsLine() bool { return r.log != nil || r.attrs }

// event fills what all events of a call have. The identity is that of the lease
// in the store, so that the blockers which other processes see in a snapshot
// lead back to it.
func (r *record) event(kind eventlog.Kind) eventlog.Event {
	return eventlog.Event{Ev: kind, Req: r.id, Test: r.test}
}

// testInfo names the test as go test does in its own output, which is what
// reports join on.
func testInfo(t TB, attempt int, at site) eventlog.TestInfo {
	return eventlog.TestInfo{Pkg: testPackage(), Name: t.Name(), Attempt: attempt, File: at.file, Line: at.line, Runner: runnerOf(t)}
}

// request opens the story of a call. What was refused before, as a mistake, was
// no contention and is not on record.
func (r *record) request() {
	r.sums.requested(r.reqs)
	if r.log == nil {
		return
	}
	if r.first {
		e := r.event(eventlog.TestStart)
		e.Req = ""
		r.log.Write(e)
	}
	e := r.event(eventlog.Request)
	e.Reqs = r.wanted(r.reqs)
	e.Priority, e.ExpectMS = r.cfg.priority, eventlog.MS(r.cfg.expect)
	e.LeaseMS = eventlog.MS(r.cfg.ttl)
	e.Deadline = time.Now().Add(r.limit).UTC()
	e.Policy = r.cfg.onBusy.String()
	e.Parent = r.parent
	r.log.Write(e)
}

// wanted is the request in the words of the log, with the tags that all
// candidates have in common: those are what a report groups pools by.
func (r *record) wanted(reqs []lockcore.Requirement) []eventlog.Requirement {
	out := make([]eventlog.Requirement, len(reqs))
	for i, q := range reqs {
		names, tags := r.wishes[i].facts()
		out[i] = eventlog.Requirement{Name: q.Name, Need: q.Units(), Candidates: names, Tags: tags, Shared: q.Shared, Seats: q.Seats}
	}
	return out
}

// queue tells of a wait, if its blockers changed since the last time.
func (r *record) queue(b *lockcore.BusyError) {
	if r.log == nil {
		return
	}
	var who strings.Builder
	for _, k := range b.Blockers {
		who.WriteString(k.Key + "\x00" + k.ID + "\x00")
	}
	if s := who.String(); s == r.seen && s != "" {
		return
	} else {
		r.seen = s
	}
	e := r.event(eventlog.Queue)
	e.WaitedMS = eventlog.MS(b.Waited)
	e.SetLine(b)
	r.log.Write(e)
}

// rediscovered tells of a pool that changed while waiting.
func (r *record) rediscovered(reqs []lockcore.Requirement) {
	if r.log == nil {
		return
	}
	e := r.event(eventlog.Queue)
	e.Reqs = r.wanted(reqs)
	e.WaitedMS = eventlog.MS(time.Since(r.start))
	r.log.Write(e)
}

// grant ends the wait. Tags stand beside each key that was chosen, because a
// pool may mix kinds of resources.
func (r *record) grant(waited time.Duration, early bool, obtained [][]string, token uint64) {
	r.sums.obtained(waited, r.chosen(obtained))
	if r.log == nil {
		return
	}
	e := r.event(eventlog.Grant)
	e.WaitedMS, e.Outcome, e.Backfilled = eventlog.MS(waited), eventlog.Acquired, early
	for i, keys := range obtained {
		for _, k := range keys {
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: k, Req: i, Tags: r.wishes[i].tagsOf(k), Fence: token})
		}
	}
	r.log.Write(e)
}

// withdraw ends the wait of a call that got nothing: outcome says what became of
// the test, cause why, which a policy would otherwise hide.
func (r *record) withdraw(waited time.Duration, outcome eventlog.Outcome, cause eventlog.Refusal, b *lockcore.BusyError, words string) {
	r.sums.failed(r.reqs)
	if r.log == nil {
		return
	}
	e := r.event(eventlog.Withdraw)
	e.Outcome, e.Refusal, e.Error, e.Policy = outcome, cause, words, r.cfg.onBusy.String()
	e.WaitedMS = eventlog.MS(waited)
	if b != nil {
		e.SetLine(b)
	}
	r.log.Write(e)
}

// unfit tells of an item for which Prepare or Restore failed.
func (r *record) unfit(c *care, token uint64, spent spent) {
	if r.log == nil {
		return
	}
	e := r.event(eventlog.Unfit)
	e.Chosen = []eventlog.Chosen{{Key: c.key, Fence: token}}
	e.PrepareMS, e.RestoreMS, e.Error = eventlog.MS(spent.prepare), eventlog.MS(spent.restore), c.err.Error()
	r.log.Write(e)
}

// end tells of the end of a lease.
func (r *record) end(obtained [][]string, spent spent, keep time.Duration, err error) {
	r.sums.released(spent.held, r.chosen(obtained))
	if r.log == nil {
		return
	}
	e := r.event(eventlog.Release)
	e.HeldMS, e.KeptMS = eventlog.MS(spent.held), eventlog.MS(keep)
	e.PrepareMS, e.RestoreMS = eventlog.MS(spent.prepare), eventlog.MS(spent.restore)
	if err != nil {
		e.Error = err.Error()
		if errors.Is(err, lockcore.ErrLost) {
			e.Ev, e.Outcome, e.KeptMS = eventlog.Lost, eventlog.LeaseLost, 0
		}
	}
	r.log.Write(e)
}

// renewFail tells of a close shave; the lease lives on.
func (r *record) renewFail(err error) {
	if r.log == nil {
		return
	}
	e := r.event(eventlog.RenewFail)
	e.Error = err.Error()
	r.log.Write(e)
}

const (
	// flushLimit bounds what a slow or dead sink can cost at the end of a lease,
	flushLimit = 200 * time.Millisecond
	// and flushRest how soon it can cost that again.
	flushRest = 10 * time.Second
)

// flushAgain is when a sink that did not take its lines in time is waited for
// again, in nanoseconds since 1970.
var flushAgain atomic.Int64

// flush sees to it that what was written is not lost if the process ends now, as
// test binaries do right after their last test: there is no later moment at
// which somebody could be called.
func (r *record) flush() {
	defer tellLoss(r.log)
	if r.log == nil && r.sums == nil || time.Now().UnixNano() < flushAgain.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	// What a sink refuses is counted there; only its slowness matters here.
	_ = r.log.Flush(ctx)
	r.sums.flush(ctx)
	if ctx.Err() != nil {
		flushAgain.Store(time.Now().Add(flushRest).UnixNano())
	}
}

// chosen are the keys obtained, with their tags.
func (r *record) chosen(obtained [][]string) []lockcore.Candidate {
	if r.sums == nil {
		return nil // nobody counts
	}
	var out []lockcore.Candidate
	for i, keys := range obtained {
		for _, k := range keys {
			out = append(out, lockcore.Candidate{Key: k, Tags: r.wishes[i].tagsOf(k)})
		}
	}
	return out
}
