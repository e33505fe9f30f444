package report

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func TestDigest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 20, 100, fewMax, fewMax + 1, 20_000} {
		var d digest
		var all []micros
		var total micros
		for range n {
			v := micros(rnd.ExpFloat64() * 1e6)
			if rnd.IntN(4) == 0 {
				v = 0
			}
			all = append(all, v)
			total += v
			d.add(v)
		}
		slices.Sort(all)
		s := d.stat()
		if s.N != n || s.Total != total.ms() || s.Max != all[n-1].ms() {
			t.Errorf("%d values: %+v", n, s)
		}
		for p, got := range map[int]eventlog.MS{50: s.P50, 95: s.P95} {
			want := all[max(1, (n*p+99)/100)-1].ms()
			slack := eventlog.MS(0)
			if n > fewMax {
				slack = want/100 + eventlog.MS(time.Microsecond)
			}
			if got < want-slack || got > want+slack {
				t.Errorf("P%d of %d values is %v; want %v", p, n, got.Duration(), want.Duration())
			}
		}
	}
	var huge digest
	for range fewMax + 1 {
		huge.add(1 << 62)
	}
	if s := huge.stat(); s.P50 == 0 {
		t.Errorf("huge values are %+v", s)
	}
}

// TestPairsAreBounded: what is left out is not lost from the sum.
func TestPairsAreBounded(t *testing.T) {
	p := pairs{times: map[pair]micros{}}
	var total micros
	for i := range 3 * pairsMax {
		v := micros(1 + i%1000)
		total += v
		p.add(pair{waiter: int32(i)}, v)
		if len(p.times) > pairsMax {
			t.Fatalf("%d pairs are kept", len(p.times))
		}
	}
	p.add(pair{waiter: 7, holder: 7}, 1e9)
	sorted := p.sorted()
	if sorted[0].holder != 7 {
		t.Error("the longest is not the first")
	}
	sum := p.others
	for _, e := range sorted {
		sum += e.time
	}
	if sum != total+1e9 {
		t.Errorf("the sum is %d; want %d", sum, total+1e9)
	}
}

// TestMemoryDoesNotGrowWithEvents folds ever more events of the same few tests
// beside a request that waits all the time.
func TestMemoryDoesNotGrowWithEvents(t *testing.T) {
	f := newFold(Options{})
	reqs := []eventlog.Requirement{{Name: "boards", Candidates: []string{"b1", "b2"}}}
	big := []eventlog.Requirement{{Name: "boards", Need: 2, Candidates: []string{"b1", "b2"}}}
	at := t0
	say := func(e eventlog.Event) {
		at = at.Add(time.Millisecond)
		e.At = at
		f.step(&e)
	}
	say(eventlog.Event{Ev: eventlog.Request, Req: "big", Test: eventlog.TestInfo{Name: "Big"}, Reqs: big})
	size := func() int {
		n := len(f.requests) + len(f.labels.all) + len(f.slots) + len(f.pools) + len(f.cohorts) + len(f.specs) + len(f.pairs.times) + len(f.tally)
		for _, c := range f.cohorts {
			n += len(c.waiters) + len(c.hearsay)
			for b := c.head; b != nil; b = b.next {
				n += 1 + len(b.firm) + len(b.soft)
			}
		}
		for _, s := range f.slots {
			n += len(s.uses) + len(s.pools)
		}
		return n
	}
	var early int
	for i := range 5000 {
		test := eventlog.TestInfo{Name: []string{"A", "B", "C"}[i%3]}
		id := time.Duration(i).String()
		say(eventlog.Event{Ev: eventlog.Request, Req: id, Test: test, Reqs: reqs})
		say(eventlog.Event{Ev: eventlog.Queue, Req: "big", Blockers: []eventlog.Blocker{{Key: "b1", Test: "elsewhere", Run: "other"}}})
		say(eventlog.Event{Ev: eventlog.Grant, Req: id, Test: test, Chosen: []eventlog.Chosen{{Key: []string{"b1", "b2"}[i%2]}}})
		say(eventlog.Event{Ev: eventlog.Release, Req: id, Test: test})
		if i == 100 {
			early = size()
		}
	}
	if late := size(); late > 2*early {
		t.Errorf("after 100 requests the state has %d parts, after 5000 it has %d", early, late)
	}
}
