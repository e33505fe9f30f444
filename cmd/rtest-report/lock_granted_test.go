package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// signalledStore is one that grants at the moment at which a signal arrives.
type signalledStore struct {
	lockcore.Store
	arrives func()
}

func (s signalledStore) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	ans, err := s.Store.Ask(context.WithoutCancel(ctx), t, wake)
	if ans.Grant != nil {
		s.arrives()
	}
	return ans, err
}

// TestLockSignalledAsItIsGranted: whoever gets a signal before the command runs does not
// run it, and gives back what was granted just then.
func TestLockSignalledAsItIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memstore.New(nil)
		defer inner.Close()
		got := &signals{make(chan os.Signal)}
		store := signalledStore{inner, func() { got.ch <- syscall.SIGTERM; synctest.Wait() }}
		o := &lockOptions{wait: -1, name: "flash", wants: wants{keys: []string{"board-1"}}}
		reqs, _, err := o.wants.requirements(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lease, err := o.acquire(t.Context(), lockcore.New(store, nil), reqs, got, nil, &sayer{w: io.Discard})
		var exit *exitError
		code, _ := endsBy(syscall.SIGTERM)
		if lease != nil || !errors.As(err, &exit) || exit.code != code {
			t.Errorf("a signal as it is granted: %v, %v; want the exit code of the signal", lease, err)
		}
		if s, err := inner.Snapshot(t.Context()); err != nil || len(s.Holders) > 0 {
			t.Errorf("it still holds %v, %v", s.Holders, err)
		}
	})
}
