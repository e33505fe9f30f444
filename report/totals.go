package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A totals sums up the requests of a group.
type totals struct {
	requests, acquired, open int
	gaveUp                   map[eventlog.Outcome]int
	late                     int // of these: as they were to wait no longer
	lost, orphaned           int
	overtaken, backfilled    int
	waits, holds             digest
	blame                    [causeCount]micros
	care
}

// served counts a request whose wait is over.
func (t *totals) served(r *request, waited micros) {
	t.requests++
	t.overtaken += r.OvertakenBy
	t.waits.add(waited)
	if r.Backfilled {
		t.backfilled++
	}
	if r.Outcome == eventlog.Acquired {
		t.acquired++
	} else {
		if t.gaveUp == nil {
			t.gaveUp = map[eventlog.Outcome]int{}
		}
		t.gaveUp[r.Outcome]++
		if r.GaveUp() {
			t.late++
		}
	}
	for _, p := range r.blame {
		t.blame[p.cause] += p.time
	}
}

// A resource sums up the use of one key.
type resource struct {
	key        string
	namedPools []int32
	tags       map[string]string
	totals     totals

	failedPrepares, failedRestores int
	lastError                      string
	byTest                         map[int32]micros // held

	users int
	begin micros // of the present use
	busy  micros
	seats int    // the most that was said
	taken micros // seats taken times how long
	since micros // of taken
}

// use counts users up or down.
func (r *resource) use(now micros, change int) {
	r.taken += micros(r.users) * (now - r.since)
	r.since = now
	if r.users == 0 {
		r.begin = now
	}
	r.users += change
	if r.users == 0 {
		r.busy += now - r.begin
	}
}

// used is the numerator of the utilisation, and what it is to be divided by
// beside the window.
func (r *resource) used() (micros, int) {
	if r.seats > 0 {
		// A release that is told late makes it look for a moment as if there were
		// more.
		return min(r.taken, r.busy*micros(r.seats)), r.seats
	}
	return r.busy, 1
}

// A namedPool is the pools that share a name, or candidates.
type namedPool struct {
	name   string
	given  bool           // by a test; else it was made of the candidates
	also   []string       // other given names of the same candidates
	sets   map[string]int // by hash: how many candidates
	totals totals
	blame  [causeCount]micros // time this pool was what requests waited for
	queue  queue
}

// call gives the pool one more name. One that a test gave is better than one that
// was made.
func (t *namedPool) call(name string, given bool) {
	switch {
	case !given || len(t.also) >= alsoMax:
	case !t.given:
		t.name, t.given = name, true
	default:
		t.also = append(t.also, name)
	}
}

// size is the number of its resources: of those known by name, or of its
// largest set of candidates.
func (t *namedPool) size(named int) int {
	for _, n := range t.sets {
		named = max(named, n)
	}
	return named
}

// A queue integrates the number of waiting requests.
type queue struct {
	n, max int
	area   micros
	last   micros
}

func (q *queue) change(now micros, by int) {
	q.area += micros(q.n) * (now - q.last)
	q.last = now
	q.n += by
	q.max = max(q.max, q.n)
}

// A pair is a test that waited and one that was waited for.
type pair struct {
	waiter, holder int32
	cause          causeID
}

// pairsMax bounds the pairs that are kept: the lesser half is then summed up as
// others.
const pairsMax = 1 << 16

// pairs sums the waiting time of pairs.
type pairs struct {
	times  map[pair]micros
	others micros
}

func (p *pairs) add(k pair, t micros) {
	p.times[k] += t
	if len(p.times) <= pairsMax {
		return
	}
	times := make([]micros, 0, len(p.times))
	for _, t := range p.times {
		times = append(times, t)
	}
	slices.Sort(times)
	// By time alone, ties included: which of them go must not depend on the order
	// of the map.
	least := times[len(times)/2]
	for k, t := range p.times {
		if t <= least {
			p.others += t
			delete(p.times, k)
		}
	}
}

type pairTime struct {
	pair
	time micros
}

// sorted lists the pairs, the longest time first.
func (p *pairs) sorted() []pairTime {
	var all []pairTime
	for k, t := range p.times {
		if t > 0 {
			all = append(all, pairTime{k, t})
		}
	}
	slices.SortFunc(all, func(a, b pairTime) int {
		return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(a.waiter, b.waiter), cmp.Compare(a.holder, b.holder), cmp.Compare(a.cause, b.cause))
	})
	return all
}

// longestMax bounds the tests of a resource that are told apart: of more, the lesser
// half is forgotten.
const longestMax = 512

// heldBy notes for how long a test held a resource.
func (r *resource) heldBy(test int32, held micros) {
	if r.byTest == nil {
		r.byTest = map[int32]micros{}
	}
	r.byTest[test] += held
	if len(r.byTest) <= longestMax {
		return
	}
	times := slices.Sorted(maps.Values(r.byTest))
	least := times[len(times)/2]
	maps.DeleteFunc(r.byTest, func(_ int32, t micros) bool { return t <= least })
}
