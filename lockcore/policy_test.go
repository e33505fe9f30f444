package lockcore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

func TestPolicyNames(t *testing.T) {
	for name, want := range map[string]lockcore.QueuePolicy{"": lockcore.Backfill, "backfill": lockcore.Backfill, "fifo": lockcore.FIFO} {
		got := lockcore.FIFO
		if err := got.UnmarshalText([]byte(name)); err != nil || got != want {
			t.Errorf("%q is read as %v, %v; want %v", name, got, err, want)
		}
	}
	p := lockcore.FIFO
	if err := p.UnmarshalText([]byte("lifo")); err == nil || !strings.Contains(err.Error(), `"lifo"`) || !strings.Contains(err.Error(), "backfill or fifo") {
		t.Errorf("lifo: want an error that names it and the mend, got %v", err)
	}
	if p != lockcore.FIFO {
		t.Errorf("a name that is unknown changed the policy to %v", p)
	}
	if got := lockcore.QueuePolicy(7).String(); got != "QueuePolicy(7)" {
		t.Errorf("QueuePolicy(7) is called %s", got)
	}
}

// TestHistoryOfAStoreThatDoesNotLearn: the error is told from a fault, and says
// which store it is.
func TestHistoryOfAStoreThatDoesNotLearn(t *testing.T) {
	type plain struct{ lockcore.Store } // hides the method of the store inside
	l := lockcore.New(plain{memstore.New(nil)}, nil)
	if _, err := l.History(t.Context()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "mem:") {
		t.Errorf("got %v", err)
	}
}
