//go:build linux || darwin

package filestore

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// What processes do that take turns without a store, as floors to compare it with.
// Each step opens a file, locks, reads, writes, unlocks and closes it, and a turn is
// two steps:
//
//   - bare: all block in flock(2), and whoever runs gets the lock. The kernel switches
//     as seldom as it likes to, so a few processes get most of the turns.
//   - ring: each has its turn behind another one, as in a line that everybody has
//     joined. It is woken for it by a byte in a pipe, so a turn costs one wake-up.
//   - ordered: the same ring, and a turn is one of the store, which nobody else uses
//     meanwhile. So it is what a turn of the store costs at least if it is another
//     process's each time, whose code and data the processor does not have at hand.
func (a *agent) floor(ctx context.Context, o *order, r *reply) error {
	var mine, next int
	ring := o.Do != "bare"
	if ring {
		for i, fd := range []*int{&mine, &next} {
			var err error
			if *fd, err = unix.Open(o.Keys[i], unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
				return err
			}
			defer unix.Close(*fd)
		}
	}
	state := make([]byte, frontSize)
	token := []byte{1}
	time.Sleep(time.Duration(o.From - ticks()))
	if ring && o.Count == 1 { // the first
		if _, err := unix.Write(mine, token); err != nil {
			return err
		}
	}
	before := usage()
	for start := ticks(); start < o.To; {
		if ring {
			if err := uninterrupted(func() error { _, err := unix.Read(mine, token); return err }); err != nil {
				return err
			}
		}
		if o.Do == "ordered" {
			le, err := a.locker.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{some(1, o.Keys[2])}})
			if err != nil {
				return err
			}
			if err := le.Release(ctx); err != nil {
				return err
			}
		} else {
			for range 2 {
				if err := bareStep(filepath.Join(o.Dir, "bare"), state); err != nil {
					return err
				}
			}
		}
		// Before the next one has its turn, so that it does not end before this one does: who
		// ends leaves the ring, and the others wait for what it does not hand on.
		end := ticks()
		if ring {
			if _, err := unix.Write(next, token); err != nil {
				return err
			}
		}
		r.Took = append(r.Took, end-start)
		start = end
	}
	r.used(before)
	return nil
}

// bareStep is what a step of the store does with the kernel at least.
func bareStep(path string, state []byte) error {
	f, err := openFile(path, forCreation, 0o600)
	if err != nil {
		return err
	}
	defer f.close()
	if err := uninterrupted(func() error { return unix.Flock(f.fd, unix.LOCK_EX) }); err != nil {
		return err
	}
	defer f.unlock()
	if _, err := f.readAt(state, 0); err != nil {
		return err
	}
	return f.writeAt(state[:headerSize+200], 0)
}

// makeRing makes the pipes of a ring, and returns those of a process, its own and that
// of the next, and its key.
func makeRing(dir string, n int) (pipes func(i int) []string, err error) {
	var all []string
	for i := range n {
		all = append(all, filepath.Join(dir, fmt.Sprint("ring-", i)))
		if err := unix.Mkfifo(all[i], 0o600); err != nil {
			return nil, err
		}
	}
	all = slices.Concat(all, all[:1])
	return func(i int) []string { return []string{all[i], all[i+1], own(i)[0]} }, nil
}

// usage is what this process has used: time of processors in nanoseconds, and how
// often it slept.
func usage() [2]int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return [2]int64{}
	}
	return [2]int64{u.Utime.Nano() + u.Stime.Nano(), u.Nvcsw}
}
