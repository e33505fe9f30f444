package quorumstore

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// TestNothingRunsWithoutWaiters: the subscriptions and the goroutines end when nobody
// waits any more, and the next waiter is woken all the same.
func TestNothingRunsWithoutWaiters(t *testing.T) {
	servers := redistest.StartN(t, 3)
	from, to := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	others := goleak.IgnoreCurrent()
	for range 2 {
		g := take(t, from, ticketFor("holder", watchdog, "k"))
		if g == nil {
			t.Fatal("a free key was refused")
		}
		woken := make(chan struct{}, 100)
		ticket := waiting(ticketFor("waiter", watchdog, "k"))
		ask := func() bool {
			ans, err := to.Ask(watched(t), ticket, func(*lockcore.Grant) { woken <- struct{}{} })
			if err != nil {
				t.Fatal(err)
			}
			return ans.Grant != nil
		}
		if ask() {
			t.Fatal("granted what another holds")
		}
		listening(t, to, 0, 1, 2)
		release(t, from, g)
		for !ask() {
			select {
			case <-woken:
			case <-watched(t).Done():
				t.Fatal("the waiter was not woken")
			}
		}
		if err := to.Withdraw(watched(t), ticket.ID); err != nil {
			t.Fatal(err)
		}
		until(t, "no goroutine is left", func() bool { return goleak.Find(others) == nil })
	}
}
