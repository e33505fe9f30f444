package filestore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// removeAll deletes what it must not fail to delete.
func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// A program that cleans up deletes the files by which processes are seen to live.
func TestAMissingFileIsNoProofOfDeath(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"the files", "the directory"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := startChild(t, dir)
			c.acquire("held", 1, "k")
			s := open(t, dir)
			procs := filepath.Join(s.loc.space, procsName)
			if what == "the directory" {
				removeAll(t, procs)
			} else {
				for _, id := range s.loc.registered() {
					removeAll(t, filepath.Join(procs, id))
				}
			}
			if ask(t, s, "try", false, some(1, "k")) != nil {
				t.Fatal("the child lives and holds k, which was given out")
			}
			if !s.registered() || s.loc.dead(s.id) || s.loc.unlocked(s.id) {
				t.Error("a process whose file is gone made a step, and others still cannot see that it lives")
			}
			// The child notices by itself, within about 100 ms: it is asked for nothing.
			until(t, s, "the child is seen to live again", func(lockcore.Snapshot) bool { return len(s.loc.registered()) == 2 })
			c.kill()
			if ask(t, s, "try", false, some(1, "k")) == nil {
				t.Error("the child is dead, which its file proves, and still holds k")
			}
		})
	}
}

// Whoever is not seen to live is granted nothing: it makes its file before its
// request is on disk.
func TestAProcessIsSeenBeforeItIsGrantedAnything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	removeAll(t, filepath.Join(s.loc.space, procsName))
	seen := false
	s.crash = func(string) { seen = s.registered() && !s.loc.unlocked(s.id) }
	if ask(t, s, "x", false, some(1, "k")) == nil || !seen {
		t.Errorf("was granted a key before it was seen to live")
	}
}

// The file of a process must never be seen without its lock: the state may name
// the process already.
func TestAProcessIsNeverSeenUnlocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			if s.loc.dead(s.id) {
				t.Error("a living process was seen dead")
				return
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			_ = s.loc.at().procs.remove(s.id) // as the program that cleans up
			if err := s.view(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// What is deleted or emptied while somebody holds something comes back with all
// leases, before anybody is granted anything.
func TestALostStateIsEnteredAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		lose func(t *testing.T, space string)
	}{
		{"the namespace is deleted", removeAll},
		{"the namespace is moved away", func(t *testing.T, space string) {
			if err := os.Rename(space, space+"-old"); err != nil {
				t.Fatal(err)
			}
		}},
		{"the state is deleted", func(t *testing.T, space string) { removeAll(t, space+"/state") }},
		{"the state is emptied", func(t *testing.T, space string) {
			if err := os.Truncate(space+"/state", 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"the state is overwritten with zeros", func(t *testing.T, space string) {
			if err := os.WriteFile(space+"/state", make([]byte, reservedSize), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			child := startChild(t, dir)
			var last uint64
			for _, k := range []string{"k", "l", "m"} {
				last = child.acquire(k, 1, k).Token
			}
			s := open(t, dir)
			held := ask(t, s, "mine", false, some(1, "n"))
			c.lose(t, s.loc.space)

			other := open(t, dir)
			for _, k := range []string{"k", "l", "m", "n"} {
				if ask(t, other, "try "+k, false, some(1, k)) != nil {
					t.Fatalf("%s is held, and was given out", k)
				}
			}
			g := ask(t, other, "free", false, some(1, "free"))
			if g == nil || g.Token <= last || g.Token <= held.Token {
				t.Errorf("after tokens %d and %d, %+v was granted", last, held.Token, g)
			}
			if err := s.Release(t.Context(), held, 0); err != nil {
				t.Errorf("the release of a lease from before: %v", err)
			}
			if r := child.call(order{Do: "release", Name: "k"}); r.Error != "" || r.Lost {
				t.Errorf("the release of a lease from before: %+v", r)
			}
			for _, k := range []string{"k", "n"} {
				if ask(t, other, "again "+k, false, some(1, k)) == nil {
					t.Errorf("%s was released, and is still held", k)
				}
			}
			child.kill()
			if ask(t, other, "killed", false, some(2, "l", "m")) == nil {
				t.Error("a holder from before was killed, and still holds")
			}
		})
	}
}

// A thing that was told a token knows nothing of the end of the state.
func TestTokensRiseBeyondTheEndOfAState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var last uint64
	for range 3 {
		c := startChild(t, dir)
		r := c.acquire("held", 1, "k")
		if r.Token <= last {
			t.Errorf("token %d after %d", r.Token, last)
		}
		last = r.Token + 1000 // as if there had been more
		c.kill()
		removeAll(t, filepath.Join(dir, "ns-default"))
	}
}

func TestWaitersAreToldThatTheirPlaceWasLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ask(t, s, "held", false, some(1, "k"))
	woken := make(chan struct{}, 10)
	askWake(t, s, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k"))
	removeAll(t, s.loc.space)
	wakeUp(t, woken)
}

// A waiter keeps its place by how long it waited.
func TestAWaiterIsInLineAgainAfterTheStateWasLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held := ask(t, s, "held", false, some(1, "k"))
	c := startChild(t, dir)
	c.send(order{Do: "acquire", Name: "waits", Keys: []string{"k"}, TTL: time.Hour})
	until(t, s, "the child waits", waiting("waits"))
	removeAll(t, s.loc.space)
	until(t, s, "the child waits again", waiting("waits"))
	if err := s.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	if r := c.await("waits"); r.Error != "" {
		t.Error(r.Error)
	}
}

// As after FLUSHALL in Redis, except that the holder of before does not need a
// renewal to learn of it.
func TestWhenNothingIsLeftTheHolderIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k") // for an hour: no renewal is near
	c.send(order{Do: "watch", Name: "held"})
	removeAll(t, filepath.Join(dir, holdersName))
	removeAll(t, filepath.Join(dir, "ns-default"))
	s := open(t, dir)
	g := ask(t, s, "first", true, some(1, "k"))
	if g == nil {
		// The child was quicker, and has entered its lease again: nobody was told anything
		// wrong.
		return
	}
	if err := s.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if r := c.await("held"); !r.Lost {
		t.Errorf("k was granted to somebody else and given back, and its holder of before was told %+v", r)
	}
	if r := c.call(order{Do: "release", Name: "held"}); !r.Lost {
		t.Errorf("and its release says %+v", r)
	}
}

// The same without a Locker, step by step.
func TestALeaseFromBeforeIsLostOnceOthersWereServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	g, h := ask(t, s, "one", false, some(1, "k")), ask(t, s, "two", false, some(1, "l"))
	calls := 0
	s.OnLostState(func() { calls++ })
	s.turn <- struct{}{} // so that it does not look in the meantime
	removeAll(t, filepath.Join(dir, holdersName))
	removeAll(t, s.loc.space)
	other := open(t, dir)
	between := ask(t, other, "between", false, some(1, "k"))
	if between == nil {
		t.Fatal("nothing is known of any holder, and nothing is granted")
	}
	if err := other.Release(t.Context(), between, 0); err != nil {
		t.Fatal(err)
	}
	<-s.turn
	errs, err := s.Renew(t.Context(), []*lockcore.Grant{g})
	if err != nil || !errors.Is(errs[0], lockcore.ErrLost) || !strings.Contains(errs[0].Error(), "was deleted or emptied while this lease was held, and others were served before") {
		t.Errorf("k was granted to somebody else and given back, and the renewal says %v, %v", errs, err)
	}
	if err := s.Release(t.Context(), h, 0); !errors.Is(err, lockcore.ErrNotHeld) {
		t.Errorf("the release of another lease from before says %v", err)
	}
	if calls == 0 {
		t.Error("the locker was not told to ask")
	}
}

// A step that finds its file deleted only when it has written it has changed
// nothing, and goes to the next file.
func TestAStepOnADeletedStateIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	once := true
	s.crash = func(where string) {
		if once && where == "before the header" {
			once = false
			removeAll(t, filepath.Join(dir, holdersName))
			removeAll(t, s.loc.space)
			if ask(t, other, "other", false, some(1, "k")) == nil {
				t.Error("nobody holds k yet")
			}
		}
	}
	g, _ := s.Ask(t.Context(), &lockcore.Ticket{ID: "x", Requirements: []lockcore.Requirement{some(1, "k")}, TTL: time.Hour}, nil)
	if g.Grant != nil {
		t.Error("k was given out twice, once in a file that nobody can see")
	}
}

// A wake-up needs the pipe of the one who waits.
func TestADeletedPipeIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	ask(t, other, "held", false, some(1, "k"))
	woken := make(chan struct{}, 10)
	askWake(t, s, "waiter", true, func(*lockcore.Grant) { woken <- struct{}{} }, some(1, "k"))
	removeAll(t, filepath.Join(s.loc.space, procsName, s.id+fifoSuffix))
	s.keepReceiver()
	call(other.loc.at(), s.id, appendWakeUp(nil, "waiter"))
	wakeUp(t, woken)
}
