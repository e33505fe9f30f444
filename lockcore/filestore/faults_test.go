//go:build linux || darwin

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// all are the faults.
func (c *chaos) all() map[string]campaign.Fault {
	at := func(f func() error) campaign.Fault {
		return campaign.AtOnce(func() {
			// What is to be deleted may just be away.
			if err := f(); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.ENOTEMPTY) {
				c.Error(err)
			}
		})
	}
	state := filepath.Join(c.space, stateName)
	all := map[string]campaign.Fault{
		"kill": at(c.kill), "kill again": at(c.kill),
		"stop":                func() (time.Duration, func()) { return c.stop(time.Duration(c.rng.Int64N(int64(chaosTTL / 2)))) },
		"stop beyond the TTL": func() (time.Duration, func()) { return c.stop(chaosTTL + time.Duration(c.rng.Int64N(int64(chaosTTL)))) },
		"delete procs/*": at(func() error {
			names, err := filepath.Glob(filepath.Join(c.space, procsName, "*"))
			for _, n := range names {
				_ = os.Remove(n) // it may have ended
			}
			return err
		}),
		"delete procs":     at(func() error { return os.RemoveAll(filepath.Join(c.space, procsName)) }),
		"delete the state": at(func() error { return os.Remove(state) }),
		"empty the state":  at(func() error { return os.Truncate(state, 0) }),
		"delete the namespace": at(func() error {
			return os.RemoveAll(c.space)
		}),
		"move the namespace away": at(func() error {
			old := filepath.Join(c.dir, "away")
			if err := os.RemoveAll(old); err != nil {
				return err
			}
			return os.Rename(c.space, old)
		}),
		"delete histories": at(func() error {
			return errors.Join(os.RemoveAll(filepath.Join(c.space, holdsName)), os.RemoveAll(filepath.Join(c.space, historyName)))
		}),
		"limit the size of files": c.limitFiles,
		"garble the state":        at(c.garble),
	}
	if c.disk {
		all["fill the disk"] = c.fillDisk
	}
	return all
}

func (c *chaos) kill() error {
	i := c.rng.IntN(len(c.workers))
	c.workers[i].kill()
	c.start(i)
	return nil
}

// stop freezes a process until its end is due, if it is not frozen already.
func (c *chaos) stop(d time.Duration) (time.Duration, func()) {
	w := c.workers[c.rng.IntN(len(c.workers))]
	if w.stopped || campaign.Stop(w.cmd.Process) != nil {
		return 0, nil
	}
	w.stopped = true
	return d, func() {
		w.stopped = false
		_ = campaign.Cont(w.cmd.Process) // it may have been killed
	}
}

// limitFiles lets no process write behind a point in the state file, as a full
// disk does.
func (c *chaos) limitFiles() (time.Duration, func()) {
	tell := func(limit int) {
		for _, w := range c.workers {
			_, _ = fmt.Fprintln(w.in, limit) // it may have been killed
		}
	}
	tell([]int{100, slotSize + 50, frontSize, statesAt + 500}[c.rng.IntN(4)])
	return time.Duration(c.rng.Int64N(int64(chaosTTL / 2))), func() { tell(1 << 40) }
}

// fillDisk leaves no room in the file system of the directory.
func (c *chaos) fillDisk() (time.Duration, func()) {
	filler := filepath.Join(c.dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		return 0, nil
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return time.Duration(c.rng.Int64N(int64(chaosTTL / 2))), func() { _ = os.Remove(filler) }
}

// garble writes nonsense into the state, and then does what the message says that
// everybody gets: end the processes, delete the namespace.
func (c *chaos) garble() error {
	f, err := os.OpenFile(filepath.Join(c.space, stateName), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1+c.rng.IntN(200))
	for i := range b {
		b[i] = byte(c.rng.Uint32())
	}
	from := judge.Now()
	defer func() { c.garbled = append(c.garbled, [2]int64{from, judge.Now()}) }()
	at := c.rng.Int64N(frontSize)
	if c.rng.IntN(2) == 0 {
		at = statesAt + c.rng.Int64N(20_000)
	}
	_, _ = f.WriteAt(b, at) // the disk may be full
	time.Sleep(time.Duration(c.rng.Int64N(int64(chaosTTL / 2))))
	for _, w := range c.workers {
		w.kill()
	}
	if err := os.RemoveAll(c.space); err != nil {
		return err
	}
	for i := range c.workers {
		c.start(i)
	}
	return nil
}
