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
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
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

// historyMain is such a process. It takes random leases until it is told to stop.
func historyMain() {
	signal.Ignore(syscall.SIGXFSZ)
	in := bufio.NewScanner(os.Stdin)
	var j job
	if !in.Scan() || json.Unmarshal(in.Bytes(), &j) != nil {
		os.Exit(1)
	}
	w := &campaign.Worker{Name: fmt.Sprint("process ", j.N), Rand: rand.New(rand.NewPCG(j.Seed, uint64(j.N))), TTL: j.TTL, Nested: true, Busy: 5 * time.Millisecond, Out: os.Stdout}
	w.Draw = func() lockcore.Request { return draw(w.Rand, j) }
	w.Excused = func(err error) bool { return excused(w, err) }
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
	for w.Locker == nil {
		s, err := Open(ctx, j.Dir, &Options{large: j.N%2 == 0}) // whoever writes a whole state decides
		if err == nil {
			w.Locker = lockcore.New(s, &lockcore.Options{Owner: lockcore.Owner{Test: w.Name}})
		} else if ctx.Err() != nil {
			os.Exit(0)
		} else {
			w.Check("Open", err)
			time.Sleep(5 * time.Millisecond)
		}
	}
	for ctx.Err() == nil {
		w.Turn(ctx)
	}
	w.Check("Close", w.Locker.Close())
	os.Exit(0)
}

func draw(rnd *rand.Rand, j job) lockcore.Request {
	keys := make([]string, j.Keys)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	req := lockcore.Request{TTL: j.TTL, Priority: rnd.IntN(3) - 1, Expect: time.Duration(rnd.IntN(3)) * time.Millisecond}
	req.Requirements = campaign.Draw(rnd, keys)
	if rnd.IntN(50) == 0 {
		req.Reason = strings.Repeat("a large state ", 1000) // beside its header there is no room for this
	}
	return req
}

// excused reports whether what is done to the processes explains an error. That the
// state is damaged it writes down: somebody must have garbled it.
func excused(w *campaign.Worker, err error) bool {
	for _, e := range []error{lockcore.ErrBusy, lockcore.ErrUnsatisfiable, lockcore.ErrDeadlock, lockcore.ErrLost, context.Canceled, context.DeadlineExceeded, syscall.EFBIG, syscall.ENOSPC} {
		if errors.Is(err, e) {
			return true
		}
	}
	var d *damage
	if errors.As(err, &d) {
		w.Write(campaign.Note{Damaged: judge.Now()})
		return true
	}
	var u *missingHoldersError
	return errors.As(err, &u)
}
