// Package campaign has what the histories of several stores have in common: processes
// that take random leases and write down each ([Worker]), and faults that are done to
// them meanwhile ([Faults]). What was written down is read by [Read] and judged by
// package judge.
package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// A Worker takes random leases, one after the other, and writes down each as a [Note].
// One goroutine may use it.
type Worker struct {
	Name    string // of its process, for the verdict
	Locker  *lockcore.Locker
	Rand    *rand.Rand
	TTL     time.Duration // of the leases: some are held for twice as long
	Draw    func() lockcore.Request
	Nested  bool             // now and then it asks while it holds
	Excused func(error) bool // what is done to the processes explains it
	Busy    time.Duration    // it sleeps for less than this after an error other than ErrBusy
	Out     io.Writer        // what is written here is there even if the process is killed
	uses    int
}

// Uses is how many uses it has written down.
func (w *Worker) Uses() int { return w.uses }

// Turn acquires, holds and gives back once.
func (w *Worker) Turn(ctx context.Context) { w.turn(ctx, nil) }

func (w *Worker) turn(ctx context.Context, outer *lockcore.Lease) {
	req := w.Draw()
	if outer != nil {
		req.Holding = []*lockcore.Lease{outer}
	}
	u := judge.Use{Asked: judge.Now()}
	le, err := w.acquire(ctx, req)
	if err != nil {
		w.Check("Acquire", err)
		if !errors.Is(err, lockcore.ErrBusy) {
			time.Sleep(time.Duration(w.Rand.Int64N(int64(w.Busy))))
		}
		return
	}
	defer func() { w.Check("Release", le.Release(context.Background())) }()
	u.From = judge.Now()
	if le.Context().Err() != nil {
		return
	}
	w.uses++
	n := w.uses
	u.Who = fmt.Sprintf("%s#%d", w.Name, n)
	u.To, u.Token, u.Odd = u.From, le.Token(), strange(req, le.Obtained())
	for i, keys := range le.Obtained() {
		u.Want = append(u.Want, req.Requirements[i].Units())
		u.Got = append(u.Got, judge.Got{Mode: Mode(req.Requirements[i]), Keys: keys})
	}
	w.Write(Note{N: n, Use: &u})
	if w.Nested && outer == nil && w.Rand.IntN(12) == 0 {
		w.turn(ctx, le)
	}
	w.hold(le, n)
}

// acquire waits, waits for a moment only, or makes one attempt.
func (w *Worker) acquire(ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	limit := 5 * time.Second
	switch w.Rand.IntN(8) {
	case 0:
		return w.Locker.TryAcquire(ctx, req)
	case 1:
		limit = time.Duration(w.Rand.IntN(30)) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return w.Locker.Acquire(ctx, req)
}

// hold keeps the lease for a while and writes down how long it was good.
func (w *Worker) hold(le *lockcore.Lease, n int) {
	length := time.Duration(w.Rand.IntN(3000)) * time.Microsecond // mostly short
	if w.Rand.IntN(200) == 0 {
		length = time.Duration(w.Rand.Int64N(int64(2 * w.TTL))) // so that renewals matter
	}
	end := judge.Now() + int64(length)
	var known, written int64
	for {
		now := judge.Now()
		if le.Context().Err() != nil {
			break // it was good when it was last known to be
		}
		known = now
		if now >= end {
			break
		}
		if now-written > int64(20*time.Millisecond) {
			w.Write(Note{N: n, To: known})
			written = now
		}
		time.Sleep(min(time.Millisecond, time.Duration(end-now)))
	}
	if known > 0 {
		w.Write(Note{N: n, To: known})
	}
}

// Check writes down an error that nothing explains.
func (w *Worker) Check(what string, err error) {
	if err == nil || w.Excused(err) {
		return
	}
	w.uses++
	who := fmt.Sprintf("%s#%d", w.Name, w.uses)
	w.Write(Note{N: w.uses, Use: &judge.Use{Who: who, Odd: fmt.Sprintf("%s: %s: %v", who, what, err)}})
}

// Write writes a note. A worker that cannot ends its process: a history with holes is
// worth nothing.
func (w *Worker) Write(n Note) {
	line, err := json.Marshal(n)
	if err == nil {
		_, err = w.Out.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// strange says what a lease has and should not. How many keys it has, the judge sees.
func strange(req lockcore.Request, obtained [][]string) string {
	if len(obtained) != len(req.Requirements) {
		return fmt.Sprintf("asked for %+v, got %q", req.Requirements, obtained)
	}
	for i, r := range req.Requirements {
		for _, k := range obtained[i] {
			if !slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return c.Key == k }) {
				return fmt.Sprintf("got %q, which is no candidate of %+v", k, r)
			}
		}
	}
	return ""
}

// Draw makes up to two requirements for up to four of the keys each, in any mode and
// with any choice.
func Draw(rnd *rand.Rand, keys []string) (reqs []lockcore.Requirement) {
	for range 1 + rnd.IntN(3)/2 {
		keys := slices.Clone(keys)
		rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		keys = keys[:1+rnd.IntN(4)]
		r := lockcore.Requirement{Need: 1 + rnd.IntN(len(keys)), Choice: lockcore.Choice(rnd.IntN(3))}
		for _, k := range keys {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
		}
		switch rnd.IntN(6) {
		case 0:
			r.Shared = true
		case 1:
			r.Seats = 2 + rnd.IntN(2)
		}
		reqs = append(reqs, r)
	}
	return reqs
}

// Mode is how a requirement takes its keys, in the words of [judge.Got].
func Mode(r lockcore.Requirement) string {
	switch {
	case r.Shared:
		return "s"
	case r.Seats > 0:
		return fmt.Sprint("n", r.Seats)
	}
	return "x"
}
