package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A worker is one process of the history. It takes random leases until it is
// told to stop, and writes down each in a file of its own: what was written is
// there even if the process is killed the moment after.
type worker struct {
	job
	locker *lockcore.Locker
	log    *os.File
	rng    *rand.Rand
	uses   int
	said   int // of the uses, to the test
}

func historyRole() error {
	j, l, err := theJob()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(j.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := &worker{job: j, locker: l, log: log, rng: rand.New(rand.NewPCG(j.Seed, uint64(j.N)))}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		if word, _ := bufio.NewReader(os.Stdin).ReadString('\n'); word == "" {
			os.Exit(1) // an orphan
		}
		stop()
	}()
	fmt.Println("ready")
	for ctx.Err() == nil {
		w.turn(ctx, nil)
		if w.uses-w.said >= reportEvery {
			fmt.Println("uses", w.uses-w.said)
			w.said = w.uses
		}
	}
	if err := l.Close(); err != nil && !excused(err) {
		return err
	}
	fmt.Println("done")
	return nil
}

// reportEvery is after how many uses a worker says so.
const reportEvery = 10

// turn acquires, holds and gives back once; outer is a lease that is held
// meanwhile, or nil.
func (w *worker) turn(ctx context.Context, outer *lockcore.Lease) {
	req := w.draw()
	if outer != nil {
		req.Holding = []*lockcore.Lease{outer}
	}
	u := use{Asked: machineTime()}
	le, err := w.acquire(ctx, req)
	if err != nil {
		if !excused(err) {
			w.odd(fmt.Sprintf("Acquire: %v", err))
		}
		if !errors.Is(err, lockcore.ErrBusy) {
			time.Sleep(time.Duration(w.rng.IntN(20)) * time.Millisecond) // the server may be starting
		}
		return
	}
	defer func() {
		if err := le.Release(context.Background()); err != nil && !excused(err) {
			w.odd(fmt.Sprintf("Release: %v", err))
		}
	}()
	u.From = machineTime()
	if le.Context().Err() != nil {
		return
	}
	w.uses++
	u.N, u.To, u.Token = w.uses, u.From, le.Token()
	for i, keys := range le.Obtained() {
		u.Got = append(u.Got, got{modeOf(req.Requirements[i]), keys})
	}
	if wrong := incomplete(req, le.Obtained()); wrong != "" {
		u.Odd = wrong
	}
	w.write(u)
	if outer == nil && w.rng.IntN(12) == 0 {
		w.turn(ctx, le)
	}
	w.hold(le, u.N)
}

// hold keeps the lease for a while and writes down how long it was good.
func (w *worker) hold(le *lockcore.Lease, n int) {
	end := machineTime() + int64(w.holdFor())
	var known, written int64
	for {
		now := machineTime()
		if le.Context().Err() != nil {
			break // it was good when it was last known to be
		}
		known = now
		if now >= end {
			break
		}
		if now-written > int64(20*time.Millisecond) {
			w.write(use{N: n, To: known})
			written = now
		}
		time.Sleep(min(time.Millisecond, time.Duration(end-now)))
	}
	if known > 0 {
		w.write(use{N: n, To: known})
	}
}

// holdFor is mostly short; sometimes long enough for renewals to matter.
func (w *worker) holdFor() time.Duration {
	if w.rng.IntN(200) == 0 {
		return time.Duration(w.rng.Int64N(int64(2 * w.TTL)))
	}
	return time.Duration(w.rng.IntN(3000)) * time.Microsecond
}

func (w *worker) acquire(ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	limit := 5 * time.Second
	switch w.rng.IntN(8) {
	case 0:
		return w.locker.TryAcquire(ctx, req)
	case 1:
		limit = time.Duration(w.rng.IntN(30)) * time.Millisecond // given up soon
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return w.locker.Acquire(ctx, req)
}

// draw makes a request. Its reason says how many keys it wants, for those who
// look at a snapshot.
func (w *worker) draw() lockcore.Request {
	req := lockcore.Request{TTL: w.TTL, Priority: w.rng.IntN(3) - 1, Expect: time.Duration(w.rng.IntN(3)) * time.Millisecond}
	for range 1 + w.rng.IntN(3)/2 {
		keys := slices.Clone(w.Keys)
		w.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		n := 1 + w.rng.IntN(4)
		r := of(1+w.rng.IntN(n), keys[:n]...)
		r.Choice = lockcore.Choice(w.rng.IntN(3))
		switch w.rng.IntN(6) {
		case 0:
			r.Shared = true
		case 1:
			r.Seats = 2 + w.rng.IntN(2)
		}
		req.Requirements = append(req.Requirements, r)
	}
	req.Reason = units(req.Requirements)
	return req
}

// units lists how many keys each requirement wants.
func units(reqs []lockcore.Requirement) string {
	var s []string
	for _, r := range reqs {
		s = append(s, strconv.Itoa(r.Units()))
	}
	return strings.Join(s, " ")
}

func modeOf(r lockcore.Requirement) string {
	switch {
	case r.Shared:
		return "s"
	case r.Seats > 0:
		return fmt.Sprint("n", r.Seats)
	}
	return "x"
}

// incomplete says what a lease lacks, or has and should not.
func incomplete(req lockcore.Request, obtained [][]string) string {
	for i, r := range req.Requirements {
		if len(obtained) != len(req.Requirements) || len(obtained[i]) != r.Units() {
			return fmt.Sprintf("asked for %s of %+v, got %q", req.Reason, req.Requirements, obtained)
		}
		for _, k := range obtained[i] {
			if !slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return c.Key == k }) {
				return fmt.Sprintf("got %q, which is no candidate of %+v", k, r)
			}
		}
	}
	return ""
}

func (w *worker) odd(what string) {
	w.uses++
	w.write(use{N: w.uses, Odd: what})
}

func (w *worker) write(u use) {
	line, err := json.Marshal(u)
	if err == nil {
		_, err = w.log.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // a history with holes is worth nothing
	}
}

// excused reports whether an error is what such days bring: somebody else has
// it, what was drawn contradicts itself, or the server is away or about to be
// back.
func excused(err error) bool {
	var network net.Error
	for _, e := range []error{lockcore.ErrBusy, lockcore.ErrUnsatisfiable, lockcore.ErrDeadlock, lockcore.ErrLost, context.Canceled, context.DeadlineExceeded, io.EOF, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, redis.ErrPoolTimeout} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &network) || redis.HasErrorPrefix(err, "LOADING")
}
