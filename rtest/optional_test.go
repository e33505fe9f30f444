package rtest_test

import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// A test is told when its turn is expected, by what the holders said or the store
// learned.
func TestAWaitSaysWhenItIsExpectedToEnd(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	t.Setenv("RTEST_NAMESPACE", t.Name())
	rtest.Acquire(t, rtest.R("a"), rtest.Expect(4*time.Minute))
	f := fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Wait(10*time.Millisecond)) })
	mustContain(t, f.fatal, "1st in line, expected in about 4 min")
}

// losingStore is a store that can find its state gone.
type losingStore struct {
	lockcore.Store
	told bool
}

func (s *losingStore) OnLostState(func()) { s.told = true }

// What a store can do beyond the others, it can do for tests, too.
func TestAStoreMayTellThatItsStateIsGone(t *testing.T) {
	s := &losingStore{Store: memstore.New(nil)}
	rtest.NewWatchedLocker(s)
	if !s.told {
		t.Error("it was not told what to call")
	}
}
