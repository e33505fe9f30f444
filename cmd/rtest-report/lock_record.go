package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// A lockRecord writes the events of one lock, those that a test writes. A nil one
// discards.
type lockRecord struct {
	log     *eventlog.Writer
	say     *sayer
	test    eventlog.TestInfo
	id      string
	start   time.Time
	granted time.Time
	seen    string // the blockers that were told last
	verdict eventlog.Verdict

	// A changed inventory is told of beside the wait. What is granted may be from any of its
	// versions, so the tags of all of them are kept.
	mu   sync.Mutex
	reqs []eventlog.Requirement         // the last that were told
	tags []map[string]map[string]string // of keys, by requirement
}

// newLockRecord opens the log that RTEST_EVENTS names, if it does.
func newLockRecord(ctx context.Context, o *lockOptions, say *sayer) (*lockRecord, error) {
	w, err := openLog(ctx)
	if w == nil {
		return nil, err
	}
	return &lockRecord{log: w, say: say, test: eventlog.TestInfo{Name: o.name, Attempt: 1, Runner: "lock"}}, nil
}

// openLog opens the log that RTEST_EVENTS names; nil if it names none.
func openLog(ctx context.Context) (*eventlog.Writer, error) {
	target := environ.Getenv("RTEST_EVENTS")
	if target == "" {
		return nil, nil
	}
	if !redisstream.IsURL(target) {
		if err := environ.Absolute(target); err != nil {
			return nil, fmt.Errorf("the environment variable RTEST_EVENTS %w", err)
		}
	}
	return redisstream.Open(ctx, target)
}

func (r *lockRecord) write(e eventlog.Event) {
	e.Test = r.test
	if e.Ev != eventlog.TestStart && e.Ev != eventlog.TestEnd { // these are about the test, and no request of it
		e.Req = r.id
	}
	r.log.Write(e)
}

func (r *lockRecord) request(req *lockcore.Request, wait time.Duration) {
	if r == nil {
		return
	}
	r.id, r.start = req.ID, time.Now()
	r.write(eventlog.Event{Ev: eventlog.TestStart}) // a command counts as a test: reports compare it with itself
	// Policy is what a test does that gets nothing; a lock never skips.
	e := eventlog.Event{Ev: eventlog.Request, Priority: req.Priority, ExpectMS: eventlog.MS(req.Expect), LeaseMS: eventlog.MS(req.TTL), Policy: "fail", Parent: nested.Parent()}
	e.Reqs, _ = r.wants(req.Requirements)
	if wait >= 0 { // below 0 it waits without end, and a deadline in the past would say that it is dead
		e.Deadline = r.start.Add(wait).UTC()
	}
	r.write(e)
}

// wants is what is asked for in the words of the log, and whether that changed. It keeps
// the tags for the grant.
func (r *lockRecord) wants(reqs []lockcore.Requirement) ([]eventlog.Requirement, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []eventlog.Requirement
	for i, q := range reqs {
		w := eventlog.Requirement{Name: q.Name, Need: q.Units(), Shared: q.Shared, Seats: q.Seats}
		if i == len(r.tags) {
			r.tags = append(r.tags, map[string]map[string]string{})
		}
		for _, c := range q.Candidates {
			w.Candidates = append(w.Candidates, c.Key)
			r.tags[i][c.Key] = c.Tags
		}
		out = append(out, w)
	}
	changed := !reflect.DeepEqual(out, r.reqs)
	r.reqs = out
	return out, changed
}

// rediscovered tells of an inventory that changed while the lock waits.
func (r *lockRecord) rediscovered(reqs []lockcore.Requirement) {
	if r == nil {
		return
	}
	if all, changed := r.wants(reqs); changed {
		r.write(eventlog.Event{Ev: eventlog.Queue, Reqs: all, WaitedMS: eventlog.MS(time.Since(r.start))})
	}
}

func (r *lockRecord) queue(b *lockcore.BusyError) {
	if r == nil {
		return
	}
	var who strings.Builder
	for _, k := range b.Blockers {
		who.WriteString(k.Key + "\x00" + k.ID + "\x00") // a key may have any other character
	}
	// It is told of again each time that somebody looks; only a change says something.
	if who.String() == r.seen {
		return
	}
	r.seen = who.String()
	e := eventlog.Event{Ev: eventlog.Queue, WaitedMS: eventlog.MS(b.Waited)}
	e.SetLine(b)
	r.write(e)
}

func (r *lockRecord) grant(le *lockcore.Lease) {
	if r == nil {
		return
	}
	r.mu.Lock() // the inventory may just be read again
	defer r.mu.Unlock()
	r.granted = time.Now()
	e := eventlog.Event{Ev: eventlog.Grant, WaitedMS: eventlog.MS(le.Waited()), Outcome: eventlog.Acquired, Backfilled: le.Backfilled()}
	for i, keys := range le.Obtained() {
		for _, k := range keys {
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: k, Req: i, Tags: r.tags[i][k], Fence: le.Token()})
		}
	}
	r.write(e)
}

func (r *lockRecord) withdraw(outcome eventlog.Outcome, why eventlog.Refusal, b *lockcore.BusyError, words string) {
	if r == nil {
		return
	}
	e := eventlog.Event{Ev: eventlog.Withdraw, Outcome: outcome, Refusal: why, Error: words, WaitedMS: eventlog.MS(time.Since(r.start)), Policy: "fail"}
	if b != nil {
		e.SetLine(b)
	}
	r.write(e)
}

func (r *lockRecord) gone(le *lockcore.Lease, err error) {
	if r == nil {
		return
	}
	e := eventlog.Event{Ev: eventlog.Release, HeldMS: eventlog.MS(time.Since(r.granted))}
	if err != nil {
		e.Error = err.Error()
		if errors.Is(err, lockcore.ErrLost) {
			e.Ev, e.Outcome = eventlog.Lost, eventlog.LeaseLost
		}
	}
	r.write(e)
}

// ended takes the exit code of the command for the verdict of a test. A command that was
// killed, or that lost what it needed, has neither passed nor failed: as a failure it
// would make the board suspect.
func (r *lockRecord) ended(code int) {
	switch {
	case r == nil || code == exitLost || code > 128:
	case code == 0:
		r.verdict = eventlog.VerdictPassed
	default:
		r.verdict = eventlog.VerdictFailed
	}
}

// close ends the log, and says what was lost. It waits for a second at most; what is not
// written by then is lost.
func (r *lockRecord) close() {
	if r == nil {
		return
	}
	r.write(eventlog.Event{Ev: eventlog.TestEnd, Verdict: r.verdict})
	err := r.log.Close()
	if loss := r.log.Loss(); loss != nil {
		err = loss
	}
	if err != nil {
		r.say.line("warning", "warning: RTEST_EVENTS: "+err.Error())
	}
}
