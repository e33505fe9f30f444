package filestore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

func TestAKillInTheMiddleOfWritingLeavesTheOldState(t *testing.T) {
	t.Parallel()
	for _, large := range []bool{false, true} {
		t.Run(fmt.Sprint("large=", large), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			ask(t, s, "held", false, some(1, "k"))
			if large {
				ask(t, s, "large", false, some(1, strings.Repeat("x", 50_000)))
			}
			for i := range 10 {
				c := startChild(t, dir)
				c.acquire("before", 1, "a", "b")
				c.call(order{Do: "crash", Name: "crash"})
				c.send(order{Do: "acquire", Name: "after", Keys: []string{"c", strings.Repeat("y", 1+i*1000)}, Need: 1})
				c.gone()
				holders := map[string]int{"held": 1}
				if large {
					holders["large"] = 1
				}
				snap, err := s.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range snap.Holders {
					holders[h.Owner.Test]--
				}
				for name, missing := range holders {
					if missing != 0 {
						t.Errorf("%s: %d missing (-1: too many); the snapshot shows %+v", name, missing, snap.Holders)
					}
				}
			}
		})
	}
}

// TestKillsAtRandom kills children that do nothing but write the state, and
// looks each time whether it can be read and has lost nothing.
// FILESTORE_KILLS sets how many; 2,000 take some minutes.
func TestKillsAtRandom(t *testing.T) {
	t.Parallel()
	kills := campaign.Knob(t, "FILESTORE_KILLS", 30)
	dir := t.TempDir()
	s := open(t, dir)
	ask(t, s, "held", false, some(1, "k"))
	for i := range kills {
		keys := []string{"a", "b", "c"}
		if i%2 == 1 {
			keys = append(keys, strings.Repeat("large", 2000)) // the state does not fit beside its header
		}
		var cs []*child
		for j := range 2 {
			c := startChild(t, dir)
			c.send(order{Do: "loop", Name: fmt.Sprint("loop ", j), Dir: t.TempDir(), Keys: keys[:3], Need: 2, Count: 1 << 30})
			if len(keys) > 3 {
				c.send(order{Do: "acquire", Name: "large", Keys: keys[3:], Need: 1, Try: j == 1})
			}
			cs = append(cs, c)
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // anywhere in a step
		for _, c := range cs {
			c.kill()
		}
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatalf("after %d kills: %v", i+1, err)
		}
		if len(snap.Holders) != 1 || snap.Holders[0].Owner.Test != "held" || len(snap.Waiters) != 0 {
			t.Fatalf("after %d kills: %+v", i+1, snap)
		}
	}
	if rest := s.loc.registered(); len(rest) != 1 || rest[0] != s.id {
		open(t, dir) // sweeps what died without having anything
		if rest := s.loc.registered(); len(rest) != 2 {
			t.Errorf("files of dead processes stayed: %v", rest)
		}
	}
}
