package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// reservationFor asks for the keys, all of them, for a person.
func reservationFor(id string, d time.Duration, keys ...string) *lockcore.Ticket {
	t := ticketFor(id, time.Minute, keys...)
	t.Requirements[0].Need, t.For = len(keys), d
	return t
}

// stateOf is the state of a lease in the record of a server, or "".
func stateOf(s *redistest.Server, id string) string {
	value, _ := s.Do("HGET", heldHash, "l"+id).(string)
	if value == "" {
		return ""
	}
	return value[16:17]
}

// TestReservationIsWonAsALease: a client that dies between the two votes leaves no
// reservation, which would stand on some servers for hours.
func TestReservationIsWonAsALease(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	teach(t, s)
	held := []*delayedCall{holdQuestion(t, s.nodes[0], reserveScript()), holdQuestion(t, s.nodes[1], reserveScript()), holdQuestion(t, s.nodes[2], reserveScript())}
	ctx, die := context.WithCancel(watched(t))
	failed := make(chan error)
	go func() {
		_, err := s.Ask(ctx, reservationFor("ann", 5*time.Hour, "k"), nil)
		failed <- err
	}()
	for _, h := range held {
		<-h.stuck
	}
	for i, server := range servers {
		if state := stateOf(server, "ann"); state != "0" || ends(server, "ann").After(time.Now().Add(2*time.Minute)) {
			t.Errorf("server %d has the lease in state %q until %s: want an ordinary one", i, state, ends(server, "ann"))
		}
	}
	die()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
	for _, h := range held {
		h.lift()
	}
	spread(t, servers, "ann")
}

// TestReservationWithoutMinority: it stands, and can be given back in part, while one
// of three servers is away; that one does not keep what was given back.
func TestReservationWithoutMinority(t *testing.T) {
	servers := redistest.StartN(t, 3)
	proxies, url := proxied(t, servers)
	s, other := openStore(t, url+"?node_timeout=1s"), openStore(t, urlOf(servers))
	ticket := reservationFor("ann", time.Hour, "a", "b")
	if g, err := await(watched(t), s, waiting(ticket)); err != nil || len(g.Keys()) != 2 {
		t.Fatal(g, err)
	}
	until(t, "all servers have the reservation", func() bool {
		return !slices.ContainsFunc(servers, func(server *redistest.Server) bool { return stateOf(server, "ann") != "3" })
	})
	proxies[2].Refuse(true)
	proxies[2].Cut()
	if _, err := retry(watched(t), func() (int, error) { return 0, s.EndReservation(watched(t), "ann", []string{"b"}) }); err != nil {
		t.Fatal(err)
	}
	for _, server := range servers[:2] {
		if got, _ := server.Do("HGET", heldHash, "kb").(string); got != "" {
			t.Errorf("b was given back, and a server has %q", got)
		}
	}
	if err := s.EndReservation(watched(t), "ann", []string{"b"}); !errors.Is(err, lockcore.ErrNotHeld) {
		t.Errorf("giving back what is not reserved: want ErrNotHeld, got %v", err)
	}
	proxies[2].Refuse(false)
	until(t, "the third server has given b back", func() bool { got, _ := servers[2].Do("HGET", heldHash, "kb").(string); return got == "" })
	if take(t, other, ticketFor("next", time.Minute, "a")) != nil {
		t.Error("a is reserved on two of three servers, and was given out")
	}
	if g, err := await(watched(t), other, waiting(ticketFor("next", time.Minute, "b"))); err != nil || g == nil {
		t.Errorf("b was given back: %v, %v", g, err)
	}
}

// TestDisabledOnMajority: a key that two of three servers have disabled is granted to
// nobody, though the third has lost its data; the request learns why.
func TestDisabledOnMajority(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s, other := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	if _, err := s.Disable(watched(t), lockcore.Outage{Keys: []string{"k"}, Owner: lockcore.Owner{User: "ann"}, Reason: "smoke"}); err != nil {
		t.Fatal(err)
	}
	until(t, "all servers have it", func() bool {
		return !slices.ContainsFunc(servers, func(server *redistest.Server) bool { return stateOf(server, disabledID("k")) != "4" })
	})
	servers[0].Restart()
	for _, wait := range []bool{false, true} {
		ticket := ticketFor(fmt.Sprint("wait ", wait), time.Minute, "k")
		ticket.Wait = wait
		ans, err := retry(watched(t), func() (lockcore.Answer, error) { return other.Ask(watched(t), ticket, func(*lockcore.Grant) {}) })
		if err != nil || ans.Grant != nil || !slices.Equal(ans.Disabled, []string{"k"}) {
			t.Errorf("%s: got %+v, %v; want to be told that k is disabled", ticket.ID, ans, err)
		}
	}
	enabled, err := retry(watched(t), func() ([]lockcore.Holder, error) { return s.Enable(watched(t), []string{"k"}) })
	if err != nil || len(enabled) != 1 || enabled[0].Owner.User != "ann" {
		t.Errorf("Enable returned %+v, %v", enabled, err)
	}
	if g, err := await(watched(t), other, waiting(ticketFor("wait true", time.Minute, "k"))); err != nil || g == nil {
		t.Errorf("k is in service: %v, %v", g, err)
	}
}

// TestDisabledNowIsNotGrantedInBetween: a waiter that is woken by the loss of the
// holder does not get the key on the servers that have not heard of the outage.
func TestDisabledNowIsNotGrantedInBetween(t *testing.T) {
	servers := redistest.StartN(t, 3)
	admin, s := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	if take(t, s, ticketFor("holder", time.Hour, "k")) == nil {
		t.Fatal("a free key was refused")
	}
	spread(t, servers, "holder", 0, 1, 2)
	for _, n := range admin.nodes {
		if err := disableScript().Load(watched(t), n.client).Err(); err != nil {
			t.Fatal(err)
		}
	}
	one, two := holdQuestion(t, admin.nodes[1], disableScript()), holdQuestion(t, admin.nodes[2], disableScript())
	done := make(chan error)
	go func() {
		lost, err := admin.Disable(watched(t), lockcore.Outage{Keys: []string{"k"}, Now: true})
		if err == nil && (len(lost) != 1 || lost[0].ID != "holder") {
			err = fmt.Errorf("Disable says that %+v have lost their leases", lost)
		}
		done <- err
	}()
	<-one.stuck
	<-two.stuck
	until(t, "one server has it", func() bool { return stateOf(servers[0], disabledID("k")) == "4" })
	if g := take(t, s, ticketFor("next", time.Hour, "k")); g != nil {
		t.Error("the key was granted while it was taken out of service")
	}
	one.lift()
	two.lift()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if g := take(t, s, ticketFor("after", time.Hour, "k")); g != nil {
		t.Error("a disabled key was granted")
	}
}

// TestEndingsAreBounded: about a thousand keys are remembered, and the server does not
// fill up.
func TestEndingsAreBounded(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	for i := range 30 {
		keys := make([]string, 50)
		for j := range keys {
			keys[j] = fmt.Sprint(i, "-", j)
		}
		ticket := ticketFor(fmt.Sprint("lease ", i), time.Minute, keys...)
		ticket.Requirements[0].Need = len(keys)
		g, err := await(watched(t), s, waiting(ticket))
		if err != nil {
			t.Fatal(err)
		}
		g.Ending = lockcore.TestFailed
		if err := s.Release(watched(t), g, 0); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := s.Snapshot(watched(t))
	if err != nil || snap.Endings["29-49"] != lockcore.TestFailed {
		t.Errorf("the last ending is told as %q (%v)", snap.Endings["29-49"], err)
	}
	for i, server := range servers {
		if n, _ := server.Do("HLEN", s.nodes[0].keys[1]).(int64); n > 1000 {
			t.Errorf("server %d remembers %d keys", i, n)
		}
	}
}
