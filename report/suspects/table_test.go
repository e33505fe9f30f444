package suspects

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

var labs = flag.Int("labs", 20, "how many labs of each row TestSimulatedLabs plays")

// A row is what became of the labs of one kind.
type row struct {
	healthy int    // labs with a suspect
	found   [3]int // sick board found within 25, 50 and 100 uses
	others  int    // sick labs with another suspect besides
}

// TestSimulatedLabs prints the table of the package doc, and holds what it promises:
// at most 5 of 100 healthy labs have a suspect, and a board that fails 30 of 100 more
// is found within 100 uses in 99 of 100 labs.
func TestSimulatedLabs(t *testing.T) {
	t.Logf("boards tests  fail  healthy labs with  sick board found within  another found")
	t.Logf("                    a suspect          25    50    100  uses    besides")
	for _, l := range []lab{
		{5, 20, 0, false}, {5, 20, 0.02, false}, {5, 200, 0.1, false},
		{20, 20, 0.02, false}, {20, 200, 0.02, false}, {20, 200, 0.1, false},
		{50, 20, 0.1, false}, {50, 200, 0.02, false}, {50, 200, 0.1, false},
	} {
		r := l.table(*labs)
		part := func(n int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(*labs)) }
		t.Logf("%4d  %4d   %3.0f%%  %-17s  %-6s%-6s%-13s%s", l.boards, l.tests, 100*l.fail, part(r.healthy), part(r.found[0]), part(r.found[1]), part(r.found[2]), part(r.others))
		// Few labs are told by more than one in twenty, by chance.
		if limit := max(3, *labs/20); r.healthy > limit {
			t.Errorf("%+v: %d of %d healthy labs have a suspect", l, r.healthy, *labs)
		}
		if missed := *labs - r.found[2]; missed > max(1, *labs/100) {
			t.Errorf("%+v: the sick board was found in %d of %d labs", l, r.found[2], *labs)
		}
	}
}

// table plays labs of a kind, healthy and sick ones.
func (l lab) table(n int) (sum row) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for seed := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var r row
			rnd := rand.New(rand.NewPCG(uint64(seed), uint64(l.boards*1000+l.tests)))
			if len(l.play(rnd, 50).Find().Suspects) > 0 {
				r.healthy++
			}
			sick := l
			sick.sick = true
			for i, uses := range []int{25, 50, 100} {
				suspects := sick.play(rnd, uses).Find().Suspects
				found := false
				for _, s := range suspects {
					found = found || s.Name == "board-1"
				}
				if found {
					r.found[i]++
				}
				if i == 2 && (len(suspects) > 1 || len(suspects) == 1 && !found) {
					r.others++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			sum.healthy += r.healthy
			sum.others += r.others
			for i := range r.found {
				sum.found[i] += r.found[i]
			}
		})
	}
	wg.Wait()
	return sum
}
