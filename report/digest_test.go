package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
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
	at := reporttest.T0
	say := func(e eventlog.Event) {
		at = at.Add(time.Millisecond)
		e.At = at
		f.step(&e)
	}
	say(eventlog.Event{Ev: eventlog.Request, Req: "big", Test: eventlog.TestInfo{Name: "Big"}, Reqs: big})
	size := func() int {
		n := len(f.requests) + len(f.labels.all) + len(f.slots) + len(f.pools) + len(f.demands) + len(f.specs) + len(f.pairs.times) + len(f.testTotals)
		for _, c := range f.demands {
			n += len(c.waiters) + len(c.seenHolders)
			for b := c.head; b != nil; b = b.next {
				n += 1 + len(b.settled) + len(b.open)
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
	// A suite that asks for another set each time.
	for i := range 3 * poolsMax {
		id := time.Duration(i).String()
		say(eventlog.Event{Ev: eventlog.Request, Req: id, Reqs: []eventlog.Requirement{{Name: "boards", Hash: id, Count: 3}}})
		say(eventlog.Event{Ev: eventlog.Withdraw, Req: id, Outcome: eventlog.TimedOut})
	}
	if len(f.pools) > poolsMax+1 || len(f.demands) > poolsMax+1 || len(f.specs) > specsMax {
		t.Errorf("%d pools, %d cohorts and %d specs are kept", len(f.pools), len(f.demands), len(f.specs))
	}
	say(eventlog.Event{Ev: eventlog.Withdraw, Req: "big", Outcome: eventlog.TimedOut}) // its pool is still there
	if n := f.finish().Total.TimedOut; n != 3*poolsMax+1 {
		t.Errorf("%d timed out", n)
	}
}

// TestManyHoldersAreNotSingledOut: a share of a hundredth is noise, and noting
// each would make a pool of 10,000 boards slow to report on.
func TestManyHoldersAreNotSingledOut(t *testing.T) {
	for _, n := range []int{singledOut, singledOut + 1} {
		var keys []string
		for i := range n {
			keys = append(keys, fmt.Sprint("b", i))
		}
		reqs := []eventlog.Requirement{{Name: "boards", Candidates: keys}}
		var events []eventlog.Event
		say := func(at time.Duration, who string, e eventlog.Event) {
			e.At, e.Req, e.Test.Name = reporttest.T0.Add(at), who, who
			events = append(events, e)
		}
		for i, k := range keys {
			say(0, fmt.Sprint("T", i), eventlog.Event{Ev: eventlog.Request, Reqs: reqs})
			say(0, fmt.Sprint("T", i), eventlog.Event{Ev: eventlog.Grant, Chosen: []eventlog.Chosen{{Key: k}}})
		}
		say(0, "W", eventlog.Event{Ev: eventlog.Request, Reqs: reqs})
		say(time.Second, "W", eventlog.Event{Ev: eventlog.Withdraw, Outcome: eventlog.TimedOut})
		var got []Share
		if _, err := Fold(reporttest.Sequence(events), Options{OnRequest: func(r *Request) {
			if r.Test.Name == "W" {
				got = r.Blame
			}
		}}); err != nil {
			t.Fatal(err)
		}
		if n <= singledOut && len(got) != n {
			t.Errorf("of %d holders %d are blamed", n, len(got))
		}
		if n > singledOut && (len(got) != 1 || got[0].Holder != many || got[0].Cause != PoolFull || got[0].Time != eventlog.MS(time.Second)) {
			t.Errorf("of %d holders are blamed %+v", n, got)
		}
	}
}

func TestLabels(t *testing.T) {
	l := newLabels()
	a := l.event(&eventlog.Event{Run: eventlog.RunInfo{ID: "r"}, Host: "h", PID: 7, Test: eventlog.TestInfo{Pkg: "p", Name: "T"}})
	same := l.blocker(&eventlog.Blocker{Run: "r", Pkg: "p", Test: "T", Host: "another", URL: "u"})
	other := l.blocker(&eventlog.Blocker{Run: "s", Pkg: "p", Test: "T"})
	if a != same || a == other || a == 0 {
		t.Errorf("labels %d, %d and %d", a, same, other)
	}
	for want, id := range map[string]labelID{
		"pid 7 on h":                l.event(&eventlog.Event{Host: "h", PID: 7}),
		"pid 8":                     l.event(&eventlog.Event{PID: 8}),
		"p":                         l.event(&eventlog.Event{Test: eventlog.TestInfo{Pkg: "p"}, PID: 7}),
		"another program (py-4711)": l.blocker(&eventlog.Blocker{State: "foreign", Req: "py-4711"}),
		"another program":           l.blocker(&eventlog.Blocker{State: "foreign"}),
		"r":                         l.event(&eventlog.Event{Run: eventlog.RunInfo{ID: "r"}}),
	} {
		if got := l.all[id].String(); got != want {
			t.Errorf("%q is called %q", want, got)
		}
	}
}
