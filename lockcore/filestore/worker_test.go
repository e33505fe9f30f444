//go:build linux || darwin

package filestore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// A job is what a process of a history is started for.
type job struct {
	Dir  string
	Keys int
	TTL  time.Duration
	Seed uint64
	N    int // the number of the process
}

// A note is what such a process writes on its standard output: the beginning of
// a use, or until when it is known to have lasted. What was written is there even
// if the process is killed the moment after.
type note struct {
	N   int        // of the use, in its process
	Use *judge.Use `json:",omitempty"`
	To  int64      `json:",omitempty"`
	// Damaged is when the process was told that the state is damaged.
	Damaged int64 `json:",omitempty"`
}

// historyWorker is such a process. It takes random leases until its input ends.
type historyWorker struct {
	job
	locker *lockcore.Locker
	out    *json.Encoder
	rng    *rand.Rand
	uses   int
}

func historyMain() {
	signal.Ignore(syscall.SIGXFSZ)
	in := bufio.NewScanner(os.Stdin)
	h := &historyWorker{out: json.NewEncoder(os.Stdout)}
	if !in.Scan() || json.Unmarshal(in.Bytes(), &h.job) != nil {
		os.Exit(1)
	}
	h.rng = rand.New(rand.NewPCG(h.Seed, uint64(h.N)))
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for in.Scan() {
			var limit uint64 // of the size of files, in bytes
			if _, err := fmt.Sscan(in.Text(), &limit); err == nil {
				_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: 1 << 40})
			} else {
				stop() // "stop"
			}
		}
		os.Exit(1) // an orphan
	}()
	for h.locker == nil {
		s, err := Open(ctx, h.Dir, nil)
		if err == nil {
			h.locker = lockcore.New(s, &lockcore.Options{Owner: lockcore.Owner{Test: fmt.Sprint("process ", h.N)}})
		} else if ctx.Err() != nil {
			os.Exit(0)
		} else {
			h.excuse("Open", err)
			time.Sleep(5 * time.Millisecond)
		}
	}
	for ctx.Err() == nil {
		h.turn(ctx)
	}
	h.excuse("Close", h.locker.Close())
	os.Exit(0)
}

// turn acquires, holds and gives back once.
func (h *historyWorker) turn(ctx context.Context) {
	req := h.draw()
	u := judge.Use{Who: fmt.Sprint("process ", h.N), Asked: judge.Now()}
	le, err := h.acquire(ctx, req)
	if err != nil {
		h.excuse("Acquire", err)
		if !errors.Is(err, lockcore.ErrBusy) {
			time.Sleep(time.Duration(h.rng.IntN(5)) * time.Millisecond)
		}
		return
	}
	defer func() { h.excuse("Release", le.Release(context.Background())) }()
	u.From = judge.Now()
	if le.Context().Err() != nil {
		return
	}
	h.uses++
	u.To, u.Token = u.From, le.Token()
	for i, keys := range le.Obtained() {
		u.Want = append(u.Want, req.Requirements[i].Units())
		u.Got = append(u.Got, judge.Got{Mode: judgeMode(req.Requirements[i]), Keys: keys})
	}
	h.write(note{N: h.uses, Use: &u})
	h.hold(le)
}

// hold keeps the lease for a while and writes down how long it was good.
func (h *historyWorker) hold(le *lockcore.Lease) {
	hold := time.Duration(h.rng.IntN(1500)) * time.Microsecond // mostly short
	if h.rng.IntN(200) == 0 {
		hold = time.Duration(h.rng.Int64N(int64(2 * h.TTL))) // so that renewals matter
	}
	end := judge.Now() + int64(hold)
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
			h.write(note{N: h.uses, To: known})
			written = now
		}
		time.Sleep(min(time.Millisecond, time.Duration(end-now)))
	}
	if known > 0 {
		h.write(note{N: h.uses, To: known})
	}
}

func (h *historyWorker) acquire(ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	limit := 5 * time.Second
	switch h.rng.IntN(8) {
	case 0:
		return h.locker.TryAcquire(ctx, req)
	case 1:
		limit = time.Duration(h.rng.IntN(30)) * time.Millisecond // given up soon
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return h.locker.Acquire(ctx, req)
}

func (h *historyWorker) draw() lockcore.Request {
	req := lockcore.Request{TTL: h.TTL, Priority: h.rng.IntN(3) - 1, Expect: time.Duration(h.rng.IntN(3)) * time.Millisecond}
	for range 1 + h.rng.IntN(3)/2 {
		keys := h.rng.Perm(h.Keys)[:1+h.rng.IntN(4)]
		r := lockcore.Requirement{Need: 1 + h.rng.IntN(len(keys)), Choice: lockcore.Choice(h.rng.IntN(3))}
		for _, k := range keys {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprint("key-", k)})
		}
		switch h.rng.IntN(6) {
		case 0:
			r.Shared = true
		case 1:
			r.Seats = 2 + h.rng.IntN(2)
		}
		req.Requirements = append(req.Requirements, r)
	}
	if h.rng.IntN(50) == 0 {
		req.Reason = strings.Repeat("a large state ", 1000) // beside its header there is no room for this
	}
	return req
}

func judgeMode(r lockcore.Requirement) string {
	switch {
	case r.Shared:
		return "s"
	case r.Seats > 0:
		return fmt.Sprint("n", r.Seats)
	}
	return "x"
}

// excuse writes down an error that nothing which is done to the processes
// explains.
func (h *historyWorker) excuse(what string, err error) {
	if err == nil {
		return
	}
	for _, e := range []error{lockcore.ErrBusy, lockcore.ErrUnsatisfiable, lockcore.ErrLost, context.Canceled, context.DeadlineExceeded, syscall.EFBIG, syscall.ENOSPC} {
		if errors.Is(err, e) {
			return
		}
	}
	var d *damage
	var u *missingHoldersError
	if errors.As(err, &d) {
		h.write(note{Damaged: judge.Now()})
		return
	}
	if errors.As(err, &u) {
		return
	}
	h.uses++
	h.write(note{N: h.uses, Use: &judge.Use{Odd: fmt.Sprintf("process %d: %s: %v", h.N, what, err)}})
}

func (h *historyWorker) write(l note) {
	if h.out.Encode(&l) != nil {
		os.Exit(1) // the parent is gone; a history with holes is worth nothing
	}
}
