package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// In these tests a TTL is an hour, so that only the death of a process can free
// what it had.

func TestKilledHolderIsTakenFromAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	if ask(t, s, "try", false, some(1, "k")) != nil {
		t.Fatal("k is held by the child and was given out")
	}
	c.kill()
	if ask(t, s, "try", false, some(1, "k")) == nil {
		t.Fatal("the child is dead and still holds k")
	}
	if files := s.loc.registered(); len(files) != 1 || files[0] != s.id {
		t.Errorf("the files of the dead child stayed: %v", files)
	}
}

func TestWaiterGetsWhatAKilledHolderHad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	woken := make(chan struct{}, 10)
	if askWake(t, s, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k")) != nil {
		t.Fatal("k is held by the child and was given out")
	}
	c.kill()
	wakeUp(t, woken)
	if ask(t, s, "waiter", true, some(1, "k")) == nil {
		t.Fatal("the waiter was woken and got nothing")
	}
}

// wakeUp waits for a wake-up: nobody asks meanwhile, so nothing but the store
// itself can bring it about.
func wakeUp(t *testing.T, woken chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(watchdog):
		t.Fatal("the waiter was not woken")
	}
}

func TestExitCountsAsDeath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	c.send(order{Do: "exit", Count: 3})
	c.gone()
	snap, err := s.Snapshot(t.Context())
	if err != nil || len(snap.Holders) > 0 {
		t.Fatalf("the child has exited, and the snapshot shows %+v, %v", snap, err)
	}
}

func TestAKeptLeaseOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	g := ask(t, s, "held", false, some(1, "k"))
	if err := s.Release(t.Context(), g, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if ask(t, other, "try", false, some(1, "k")) != nil {
		t.Fatal("k is kept and was given out")
	}
}

func TestAGrandchildDoesNotKeepAHolderAlive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	r := c.call(order{Do: "spawn", Name: "spawn"})
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	c.kill()
	grandchild, err := os.FindProcess(r.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer grandchild.Kill()
	if ask(t, open(t, dir), "try", false, some(1, "k")) == nil {
		t.Error("the child is dead and still holds k: its own child has inherited the lock")
	}
	if !alive(grandchild) {
		t.Error("the grandchild has ended, so this test shows nothing")
	}
}

func TestKilledWaiterLosesItsReservation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held := ask(t, s, "held", false, some(1, "a"))
	c := startChild(t, dir)
	c.send(order{Do: "acquire", Name: "both", Keys: []string{"a", "b"}, Need: 2, TTL: time.Hour})
	until(t, s, "the child waits", waiting("both"))
	if ask(t, s, "b", false, some(1, "b")) != nil {
		t.Fatal("b is reserved for the child and was given out")
	}
	c.kill()
	if ask(t, s, "b", false, some(1, "b")) == nil {
		t.Fatal("the child is dead and b is still reserved for it")
	}
	if err := s.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsGrantedToADeadWaiter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held := ask(t, s, "held", false, some(1, "k"))
	var dead []*child
	for i := range 3 {
		c := startChild(t, dir)
		c.send(order{Do: "acquire", Name: fmt.Sprint("dead ", i), Keys: []string{"k"}, TTL: time.Hour})
		until(t, s, "the child waits", waiting(fmt.Sprint("dead ", i)))
		dead = append(dead, c)
	}
	ask(t, s, "next", true, some(1, "k"))
	for _, c := range dead {
		c.kill()
	}
	if err := s.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	if ask(t, s, "next", true, some(1, "k")) == nil {
		t.Fatal("k was released, three dead ones stand before the next waiter, and it got nothing")
	}
}

func TestALostWakeUpIsRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	woken := make(chan struct{}, 10)
	askWake(t, s, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k"))
	c.call(order{Do: "crash after", Name: "crash"})
	c.send(order{Do: "release", Name: "held"}) // grants, and dies before it tells
	c.gone()
	wakeUp(t, woken)
}

func TestFiftyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const processes, rounds = 50, 8
	keys := []string{"a", "b", "c", "d", "e"}
	var cs []*child
	for range processes {
		cs = append(cs, startChild(t, dir))
	}
	for i, c := range cs {
		c.send(order{Do: "loop", Name: fmt.Sprint("loop ", i), Dir: dir, Keys: keys, Need: 1 + i%3, Count: rounds})
	}
	for i, c := range cs {
		if r := c.await(fmt.Sprint("loop ", i)); r.Error != "" {
			t.Error(r.Error)
		}
	}
	snap, err := open(t, dir).Snapshot(t.Context())
	if err != nil || len(snap.Holders)+len(snap.Waiters) > 0 {
		t.Fatalf("something stayed: %+v, %v", snap, err)
	}
}

func TestAClosedStoreLeavesItsLeases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	g := ask(t, a, "held", false, some(1, "k"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if ask(t, b, "try", false, some(1, "k")) != nil {
		t.Fatal("the lease ended with Close, before its TTL")
	}
	c := open(t, dir) // sweeps
	if ask(t, c, "try", false, some(1, "k")) != nil {
		t.Fatal("the lease ended with the next Open, before its TTL")
	}
	if err := c.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Ask(t.Context(), &lockcore.Ticket{ID: "x"}, nil); !errors.Is(err, errClosed) {
		t.Errorf("a closed store answers %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestAWaiterHearsItsCall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	ask(t, a, "held", false, some(1, "k"))
	woken := make(chan struct{}, 10)
	askWake(t, b, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k"))
	askWake(t, b, "other", true, func(*lockcore.Grant) { t.Error("another waiter was woken") }, some(1, "k"))
	call(a.loc.at(), b.id, appendWakeUp(appendWakeUp(nil, "unknown"), "waiter")) // nothing was granted, so only this can wake it
	wakeUp(t, woken)
}

// A process that waits now and then is woken each time, and has no goroutine in
// between.
func TestAWaiterHearsItsCallAgain(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	ask(t, a, "held", false, some(1, "k"))
	for range 3 {
		woken := make(chan struct{}, 10)
		askWake(t, b, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k"))
		call(a.loc.at(), b.id, appendWakeUp(nil, "waiter"))
		wakeUp(t, woken)
		if err := b.Withdraw(t.Context(), "waiter"); err != nil {
			t.Fatal(err)
		}
		if left := goroutines(); left != nil {
			t.Fatalf("nobody waits any more, and goroutines stay:\n%s", left)
		}
	}
}

// The same after a turn in the queue of steps.
func TestNothingStaysAfterATurn(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	notes := make(chan string, 2)
	done := inMidStep(t, a)
	stepLater(t, a, "a", notes)
	inQueue(t, a, a.id)
	stepLater(t, b, "b", notes)
	inQueue(t, a, a.id, b.id)
	done()
	hear(t, notes)
	hear(t, notes)
	if left := goroutines(); left != nil {
		t.Fatalf("nobody is in the queue, and goroutines stay:\n%s", left)
	}
}

func TestNothingStaysAfterClose(t *testing.T) {
	dir := t.TempDir()
	before := descriptors(t)
	for range 5 {
		a, err := Open(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := ask(t, a, "held", false, some(1, "k"))
		ask(t, b, "waits", true, some(1, "k")) // starts the watch and the receiver
		if err := a.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
		if err := b.Withdraw(t.Context(), "waits"); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{a, b} {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(goroutines(), nil) {
			t.Fatalf("goroutines stayed:\n%s", goroutines())
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "ns-default", "procs")); err != nil || len(left) > 0 {
		t.Errorf("left in procs: %v, %v", left, err)
	}
}

func TestWakeUpsOverUDP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	e, err := listenUDP(s.loc.at(), "peer"+portSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	call(s.loc.at(), "peer", appendWakeUp(appendWakeUp(nil, "one"), "two"))
	var b [64]byte
	n, err := e.Read(b[:])
	if err != nil || n != 2*wakeSize || binary.LittleEndian.Uint64(b[:]) != ticketHash("one") || binary.LittleEndian.Uint64(b[wakeSize:]) != ticketHash("two") {
		t.Errorf("heard %x, %v", b[:n], err)
	}
	call(s.loc.at(), "nobody", appendWakeUp(nil, "one")) // must neither fail nor wait
}

func TestOnlyOneOfManyLooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	now := ticks()
	if !a.claimLook(now) {
		t.Error("nobody has looked, and a is told that it need not")
	}
	if b.claimLook(now + int64(lookFresh) - 1) {
		t.Error("a has just looked, and b is to look too")
	}
	if !b.claimLook(now + int64(lookFresh)) {
		t.Error("nobody has looked for a while, and b is told that it need not")
	}
	if !a.claimLook(now - 1) {
		t.Error("the last look is in the future, as after a boot, and that counts")
	}
}
