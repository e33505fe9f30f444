package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// Options configure a [Store]. The zero value is ready to use.
type Options struct {
	// Namespace separates pools that share a directory. Any string will do.
	// Default "default".
	Namespace string
	// LockDelay keeps the keys of a lease that expired aside for this long before
	// somebody else gets them. After a release, or the death of the process, keys are
	// free at once.
	// Default 0. Processes should agree about it; each applies its own.
	LockDelay time.Duration
	// Policy says who may be served before somebody who came earlier. Default
	// [lockcore.Backfill]. All processes have to use the same; one that does not is
	// refused while anybody holds or waits, and changes it for all otherwise.
	Policy lockcore.QueuePolicy

	// Of tests.
	clock func() int64 // default ticks
	large bool         // no state counts as small
}

// A Store is a [lockcore.Store] in a directory. Make one with [Open]. Several
// stores of one process may use the same directory: they count as processes.
type Store struct {
	loc    *location
	name   string
	id     string // of this process, as the others know it
	boot   id128
	delay  time.Duration
	policy lockcore.QueuePolicy
	ticks  func() int64
	line   line
	life   context.Context // ends with Close
	end    context.CancelFunc
	work   sync.WaitGroup // goroutines

	// turn is held through a step: the lock of the file, beside the kernel's, among
	// the goroutines of the process. A channel, so that waiting for it can be given
	// up. It guards what follows.
	turn       chan struct{}
	queue      queue
	closed     bool
	alive      *file    // by whose lock the others see us live
	receiver   receiver // of wake-ups, once somebody waits
	instance   id128    // of the state in which we are registered
	stateID    identity
	at         info // of the state file, in this step
	head       header
	slot       int          // of head
	state      *sched.State // what head points to, if it was decoded
	reaped     []string     // the processes that this step found dead
	veto       error        // why this step must not be
	history    history
	holdings   map[string]*holding // by ticket; see holders.go
	marked     *file               // the file of this process in .holders, if it has leases
	markedIn   id128               // the instance in its name
	checks     *time.Timer
	lostLeases bool            // leases were lost with the state
	onLost     func()          // calls for renewals
	front      [frontSize]byte // of the file, as read last
	buf        []byte
	crash      func(where string) // tests die here
	large      bool               // see Options
}

var _ lockcore.Store = (*Store)(nil)

// Open opens the store in a directory, which must exist and be on a local disk;
// an empty dir means rtest in the cache directory of the user, which is made
// when missing. That directory, and the one that a relative dir starts from, are
// those of the moment at which the process started: a test that changes HOME or
// its working directory opens no other store. opts may be nil. ctx bounds the
// opening only.
//
// A directory that its group may write to is shared with the group: the files in
// it are writable for the group too. All others are private.
func Open(ctx context.Context, dir string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	namespace := opts.Namespace
	if namespace == "" {
		namespace = "default"
	}
	loc, err := locate(dir, namespace, networkFS)
	if err != nil {
		return nil, err
	}
	s := &Store{loc: loc, name: "file:" + loc.dir, id: newProcID(), boot: hashID(bootID()), delay: opts.LockDelay, policy: opts.Policy, ticks: ticks, turn: make(chan struct{}, 1)}
	s.large = opts.large
	if opts.clock != nil {
		s.ticks = opts.clock
	}
	if namespace != "default" {
		s.name += fmt.Sprintf(" (namespace %s)", namespace)
	}
	s.line.waiting = make(map[uint64]*waiter)
	s.holdings = make(map[string]*holding)
	s.queue.turn = make(chan struct{}, 1)
	s.history.known = new(sched.History)
	s.readHistory()
	s.life, s.end = context.WithCancel(context.Background())
	// The first look makes a state if there is none, and registers this process.
	if err := s.view(ctx, func(*sched.State) {}); err != nil {
		s.end()
		s.retire(false)
		s.forgetQueue()
		s.loc.at().close()
		return nil, err
	}
	return s, nil
}

// String is "file:" and the directory, with the namespace unless it is the
// default.
func (s *Store) String() string { return s.name }

// Ask implements [lockcore.Store].
//
// A request that is not served at once looks whether those in its way still
// live. It does so outside the step, because a test costs two microseconds for
// each process and the others wait meanwhile, and only the first time, because
// later that is the work of the watch. Looking before the request instead would
// charge everybody, and nearly always find that all live.
func (s *Store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (ans lockcore.Answer, err error) {
	if err := ctx.Err(); err != nil {
		return ans, err
	}
	first := !s.line.has(t.ID)
	var procs []string
	ask := func(st *sched.State, now int64) {
		if s.veto = s.mayGrant(); s.veto != nil {
			return
		}
		ans.Grant, ans.Poll = st.Ask(now, t, s.id, rand.IntN)
		ans.Disabled = st.Disabled(t.Requirements)
		if ans.Grant != nil {
			if t.For == 0 { // a reservation depends on no process
				s.veto = s.note(ans.Grant)
			}
			return
		}
		if t.Wait {
			s.listen() // before anybody can know that there is somebody to call
			s.line.join(t, wake)
			if s.receiver == nil {
				ans.Poll = min(ans.Poll, unreachablePoll)
			}
		}
		if first {
			procs = st.Procs()
		}
	}
	err = s.whenComplete(ctx, func() error { return s.step(ctx, ask) })
	if err == nil && ans.Grant == nil {
		// The ticket is in line already, so nobody gets past it in between.
		if dead := s.deadOf(procs); len(dead) > 0 {
			err = s.step(ctx, func(st *sched.State, now int64) {
				s.reap(st, now, dead)
				ask(st, now)
			})
		}
	}
	switch {
	case err != nil:
		s.forget(t.ID) // the grant did not get to the disk
		return lockcore.Answer{}, err
	case ans.Grant != nil:
		s.line.leave(t.ID)
	case t.Wait:
		// Only now: a process that gets what it asks for never starts it.
		s.startWatch()
	}
	return ans, nil
}

// Renew implements [lockcore.Store].
func (s *Store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	errs := make([]error, len(grants))
	err := s.step(ctx, func(st *sched.State, now int64) {
		for i, g := range grants {
			if errs[i] = st.Renew(now, g, rand.IntN); errs[i] == nil {
				st.Join(g.Ticket.ID, s.id)
				s.veto = errors.Join(s.veto, s.note(g))
				continue
			}
			if h := s.holdings[g.Ticket.ID]; h != nil && h.lost != nil {
				errs[i] = h.lost
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i, g := range grants {
		s.line.leave(g.Ticket.ID) // a renewal confirms, too
		if errs[i] != nil {
			s.forget(g.Ticket.ID)
		}
	}
	return errs, nil
}

// forget takes a lease for one that this process has no more.
func (s *Store) forget(id string) {
	s.turn <- struct{}{}
	delete(s.holdings, id)
	<-s.turn
}

// SeesExits reports that the resources of a process are others' as soon as it has
// ended, however it ends.
func (s *Store) SeesExits() bool { return true }

// OnLostState sets what the store calls when its state was deleted together with
// leases of this process: f renews all leases, to learn which. It must not wait.
func (s *Store) OnLostState(f func()) {
	s.turn <- struct{}{}
	s.onLost = f
	<-s.turn
}

// Release implements [lockcore.Store].
func (s *Store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	held := false
	err := s.step(ctx, func(st *sched.State, now int64) {
		held = st.Release(now, g.Ticket.ID, keep, g.Ending, rand.IntN)
		delete(s.holdings, g.Ticket.ID)
	})
	if err == nil && !held {
		err = fmt.Errorf("%s: lease %s: %w", s.name, g.Ticket.ID, lockcore.ErrNotHeld)
	}
	return err
}

// Withdraw implements [lockcore.Store]. The wake-up is forgotten even when the
// state cannot be written: the caller waits no more.
func (s *Store) Withdraw(ctx context.Context, id string) error {
	s.line.leave(id)
	return s.step(ctx, func(st *sched.State, now int64) {
		st.Withdraw(now, id, rand.IntN)
		delete(s.holdings, id)
	})
}

// Snapshot implements [lockcore.Store]. Dead processes are not in it. It writes
// the state although it only looks: what has expired, it has to take away and
// hand on like every step.
func (s *Store) Snapshot(ctx context.Context) (snap lockcore.Snapshot, err error) {
	var procs []string
	err = s.step(ctx, func(st *sched.State, now int64) {
		snap, procs = st.Snapshot(now, rand.IntN), st.Procs()
	})
	if err != nil {
		return snap, err
	}
	if dead := s.deadOf(procs); len(dead) > 0 {
		err = s.step(ctx, func(st *sched.State, now int64) {
			s.reap(st, now, dead)
			snap = st.Snapshot(now, rand.IntN)
		})
	}
	return snap, err
}

// History lists what was learned about how long tests hold; see
// [lockcore.Locker.History].
func (s *Store) History(ctx context.Context) (known []lockcore.Usage, err error) {
	err = s.step(ctx, func(st *sched.State, now int64) {
		s.readHistory()
		known = st.Usages(now, rand.IntN)
	})
	return known, err
}

// Free implements [lockcore.Store].
func (s *Store) Free(ctx context.Context, key, why string) (freed []lockcore.Holder, err error) {
	err = s.step(ctx, func(st *sched.State, now int64) { freed = st.Free(now, key, why, rand.IntN) })
	if err == nil && freed == nil {
		err = fmt.Errorf("%s: %q: %w", s.name, key, lockcore.ErrNotHeld)
	}
	return freed, err
}

var errClosed = errors.New("the store is closed")

// Close implements [lockcore.Store]. Leases stay until their TTL ends; nothing
// else does: no goroutine, no descriptor, and no file unless there are leases.
func (s *Store) Close() error {
	s.line.close()
	s.end() // what waits for its turn gives up
	s.turn <- struct{}{}
	if s.closed {
		<-s.turn
		return nil
	}
	s.closed = true
	if s.checks != nil {
		s.checks.Stop()
	}
	s.unmark()
	s.retire(s.named())
	s.stopReceiving()
	s.forgetQueue()
	s.forgetHolds()
	s.state = nil
	<-s.turn
	s.work.Wait()
	s.loc.at().close()
	return nil // whatever could not be tidied up, the next to open the directory does
}

// named reports whether the state still names this process, or may do so. It
// opens what is there and makes nothing: when the directory was deleted, by a
// test that cleans up say, closing must not bring it back.
func (s *Store) named() bool {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	at := s.loc.at()
	f, i, err := at.openIn(at.space, stateName, forChange)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	s.at = i
	if s.lock(ctx, f) != nil {
		return true // the careful guess: then the leases end with their TTL, not before
	}
	defer s.unlock(f)
	return s.read(f) != nil || slices.Contains(s.state.Procs(), s.id)
}

// closeLimit is how long Close tries to leave tidily.
const closeLimit = 2 * time.Second

// unreachablePoll is how often a waiter asks where a process cannot be called.
const unreachablePoll = 50 * time.Millisecond

// reap drops what dead processes had. Their files go once that is on disk.
func (s *Store) reap(st *sched.State, now int64, dead []string) {
	st.Reap(now, func(proc string) bool { return slices.Contains(dead, proc) }, rand.IntN)
	s.reaped = append(s.reaped, dead...)
}

// deadOf picks the dead among processes. It needs no lock: who is dead remains
// so, and who dies a moment later is found by the next look.
func (s *Store) deadOf(procs []string) []string {
	return slices.DeleteFunc(procs, func(id string) bool { return id == s.id || !s.loc.dead(id) })
}
