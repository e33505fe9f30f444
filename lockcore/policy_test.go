package lockcore_test

import (
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestPolicyNames(t *testing.T) {
	for name, want := range map[string]lockcore.Policy{"": lockcore.Backfill, "backfill": lockcore.Backfill, "fifo": lockcore.FIFO} {
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
	if got := lockcore.Policy(7).String(); got != "Policy(7)" {
		t.Errorf("Policy(7) is called %s", got)
	}
}
