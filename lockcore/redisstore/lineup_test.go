package redisstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A lineup keeps the waiters of a figure in line: they ask again before they count as
// dead, between what is timed. On a slow machine the set-up alone takes as long as a
// waiter may be silent.
type lineup struct {
	t      testing.TB
	asked  time.Time
	places []place
}

// A place is a store and those in line there, by id.
type place struct {
	store lockcore.Store
	line  map[string]*lockcore.Ticket
}

func (l *lineup) add(st lockcore.Store) place {
	s := place{st, make(map[string]*lockcore.Ticket)}
	l.places = append(l.places, s)
	return s
}

// keep has everybody ask again if it is time, many at once, and sees to it that there
// is some time for other things, however slow the machine is.
func (l *lineup) keep() {
	if time.Since(l.asked) < sched.Heartbeat {
		return
	}
	for _, s := range l.places {
		var all sync.WaitGroup
		tickets := make(chan *lockcore.Ticket)
		for range 16 {
			all.Go(func() {
				for tk := range tickets {
					if _, err := s.store.Ask(l.t.Context(), tk, func(*lockcore.Grant) {}); err != nil {
						l.t.Error(err)
					}
				}
			})
		}
		for _, tk := range s.line {
			tickets <- tk
		}
		close(tickets)
		all.Wait()
	}
	l.asked = time.Now()
}

// wait puts somebody in line.
func (l *lineup) wait(s place, tk *lockcore.Ticket) {
	ask(l.t, s.store, tk)
	s.line[tk.ID] = tk
	l.keep()
}

// granted is the grant of somebody who has to have one.
func granted(t testing.TB, st lockcore.Store, tk *lockcore.Ticket) *lockcore.Grant {
	t.Helper()
	g := ask(t, st, tk).Grant
	if g == nil {
		t.Fatalf("nothing was granted to %s", tk.ID)
	}
	return g
}
