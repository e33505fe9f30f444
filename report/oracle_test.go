package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// world is a slow, obviously right account of a trace: it looks at every waiter
// in every interval between two events.
type world struct {
	events   []eventlog.Event
	now      time.Duration
	waiting  []*actor // in the order of arrival
	holding  []*actor
	finished []*actor
	area     time.Duration // waiters times time
	busy     map[string]time.Duration
}

// actor is a request in a world.
type actor struct {
	name      string
	reqs      []eventlog.Requirement
	chosen    []eventlog.Chosen
	broken    bool
	begin     time.Duration
	served    time.Duration
	blame     map[string]float64 // microseconds by cause and holder
	overtaken int
}

// taken lists who holds a key, once for each unit.
func (w *world) taken(key string) (l []*actor, modes []eventlog.Requirement) {
	for _, a := range w.holding {
		for _, c := range a.chosen {
			if c.Key == key {
				l = append(l, a)
				modes = append(modes, a.reqs[c.Req])
			}
		}
	}
	return l, modes
}

// free is how many units of a key requirement r could take.
func (w *world) free(r *eventlog.Requirement, key string) int {
	_, modes := w.taken(key)
	n := max(1, r.Seats)
	for _, m := range modes {
		switch {
		case r.Shared && m.Shared:
		case r.Seats > 0 && m.Seats > 0:
			n--
		default:
			return 0
		}
	}
	return n
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	for _, a := range w.waiting {
		w.blame(a, d)
	}
	w.area += d * time.Duration(len(w.waiting))
	for _, key := range keys {
		if l, _ := w.taken(key); len(l) > 0 {
			w.busy[key] += d
		}
	}
	w.now += d
}

func (w *world) blame(a *actor, d time.Duration) {
	us := float64(d / time.Microsecond)
	if a.broken {
		a.blame["store fault "] += us
		return
	}
	var short []eventlog.Requirement
	for _, r := range a.reqs {
		n := 0
		for _, k := range r.Candidates {
			n += w.free(&r, k)
		}
		if n < max(1, r.Need) {
			short = append(short, r)
		}
	}
	for _, r := range short {
		var in []*actor
		for _, k := range r.Candidates {
			l, modes := w.taken(k)
			for i := range l {
				if !(r.Shared && modes[i].Shared) {
					in = append(in, l[i])
				}
			}
		}
		for _, h := range in {
			a.blame["pool full "+h.name] += us / float64(len(short)) / float64(len(in))
		}
		if len(in) == 0 {
			a.blame["unknown "] += us / float64(len(short))
		}
	}
	if len(short) > 0 {
		return
	}
	for _, o := range w.waiting {
		if o == a {
			a.blame["unknown "] += us
			return
		}
		if !o.broken && (rivals(a, o) || same(a, o)) {
			a.blame["behind another request "+o.name] += us
			return
		}
	}
}

// rivals reports whether two requests want a key in ways that exclude each
// other.
func rivals(a, b *actor) bool {
	for _, x := range a.reqs {
		for _, y := range b.reqs {
			if x.Shared && y.Shared || x.Seats > 0 && y.Seats > 0 {
				continue
			}
			for _, k := range x.Candidates {
				if slices.Contains(y.Candidates, k) {
					return true
				}
			}
		}
	}
	return false
}

func same(a, b *actor) bool { return fmt.Sprint(a.reqs) == fmt.Sprint(b.reqs) }

func (w *world) say(a *actor, e eventlog.Event) {
	e.V, e.Req, e.Test.Name, e.Host = 1, a.name, a.name, "h"
	e.At = reporttest.T0.Add(w.now)
	e.TS = e.At
	w.events = append(w.events, e)
}

var keys = []string{"a", "b", "c", "d"}

// menu is what requests may ask for; a key is held by the seat by all or none.
var menu = [][]eventlog.Requirement{
	{{Candidates: []string{"a"}}},
	{{Candidates: []string{"a", "b", "c"}}},
	{{Candidates: []string{"a", "b", "c"}, Need: 2}},
	{{Candidates: []string{"a", "b", "c"}, Need: 3}},
	{{Candidates: []string{"b"}, Shared: true}},
	{{Candidates: []string{"b", "c"}, Shared: true, Need: 2}},
	{{Candidates: []string{"c", "b"}}, {Candidates: []string{"a"}}},
	{{Candidates: []string{"d"}, Seats: 3}},
	{{Candidates: []string{"d"}, Seats: 3, Need: 2}, {Candidates: []string{"b", "c"}, Shared: true}},
}

// choose finds keys for a request, greedily, or nil.
func (w *world) choose(a *actor) []eventlog.Chosen {
	var l []eventlog.Chosen
	used := map[string]int{}
	for i := range a.reqs {
		r := &a.reqs[i]
		need := max(1, r.Need)
		for _, k := range r.Candidates {
			for n := w.free(r, k) - used[k]; n > 0 && need > 0; n-- {
				l = append(l, eventlog.Chosen{Key: k, Req: i})
				used[k]++
				need--
			}
		}
		if need > 0 {
			return nil
		}
	}
	return l
}

func (w *world) act(t *rapid.T, i int) {
	switch rapid.SampledFrom([]string{"ask", "ask", "grant", "grant", "grant", "release", "release", "quit", "err", "mend"}).Draw(t, "act") {
	case "ask":
		a := &actor{name: fmt.Sprintf("T%03d", i), reqs: rapid.SampledFrom(menu).Draw(t, "reqs"), begin: w.now, blame: map[string]float64{}}
		w.waiting = append(w.waiting, a)
		w.say(a, eventlog.Event{Ev: eventlog.Request, Reqs: a.reqs})
	case "grant":
		for range 3 { // often the first, sometimes one that overtakes
			if len(w.waiting) == 0 {
				return
			}
			n := rapid.IntRange(0, len(w.waiting)-1).Draw(t, "which")
			a := w.waiting[n]
			if a.chosen = w.choose(a); a.chosen == nil {
				continue
			}
			w.waiting = slices.Delete(w.waiting, n, n+1)
			for _, o := range w.waiting[:n] {
				if !o.broken && w.wanted(o, a) && a.begin-o.begin >= 10*time.Millisecond {
					o.overtaken++
				}
			}
			w.holding = append(w.holding, a)
			a.served = w.now
			w.say(a, eventlog.Event{Ev: eventlog.Grant, Chosen: a.chosen})
			return
		}
	case "release":
		if len(w.holding) > 0 {
			n := rapid.IntRange(0, len(w.holding)-1).Draw(t, "which")
			w.release(n)
		}
	case "quit":
		if len(w.waiting) > 0 {
			n := rapid.IntRange(0, len(w.waiting)-1).Draw(t, "which")
			w.quit(n)
		}
	case "err", "mend":
		if len(w.waiting) > 0 {
			a := rapid.SampledFrom(w.waiting).Draw(t, "which")
			a.broken = !a.broken
			e := eventlog.Event{Ev: eventlog.Queue}
			if a.broken {
				e.Error = "refused"
			}
			w.say(a, e)
		}
	}
}

// wanted reports whether o could have used a key that a got.
func (w *world) wanted(o, a *actor) bool {
	for _, c := range a.chosen {
		got := a.reqs[c.Req]
		for _, r := range o.reqs {
			if slices.Contains(r.Candidates, c.Key) && !(r.Shared && got.Shared) && !(r.Seats > 0 && got.Seats > 0) {
				return true
			}
		}
	}
	return false
}

func (w *world) release(n int) {
	a := w.holding[n]
	w.holding = slices.Delete(w.holding, n, n+1)
	w.finished = append(w.finished, a)
	w.say(a, eventlog.Event{Ev: eventlog.Release})
}

func (w *world) quit(n int) {
	a := w.waiting[n]
	w.waiting = slices.Delete(w.waiting, n, n+1)
	a.served = w.now
	w.finished = append(w.finished, a)
	w.say(a, eventlog.Event{Ev: eventlog.Withdraw, Outcome: eventlog.TimedOut})
}

func TestRandomTraces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{busy: map[string]time.Duration{}}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.act(t, i)
			w.pass(time.Duration(rapid.SampledFrom([]int{0, 3, 9, 10, 400, 4999}).Draw(t, "pass")) * time.Millisecond)
		}
		for len(w.waiting) > 0 {
			w.quit(0)
		}
		for len(w.holding) > 0 {
			w.release(0)
		}
		got := map[string]*Request{}
		rep, err := Fold(reporttest.Sequence(w.events), Options{OnRequest: func(r *Request) { got[r.ID] = r }})
		if err != nil {
			t.Fatal(err)
		}
		var waits time.Duration
		for _, a := range w.finished {
			r := got[a.name]
			if r == nil {
				t.Fatalf("%s is not reported", a.name)
			}
			if want := a.served - a.begin; r.Waited != want {
				t.Errorf("%s waited %v; want %v", a.name, r.Waited, want)
			}
			waits += r.Waited
			if r.OvertakenBy != a.overtaken {
				t.Errorf("%s was overtaken %d times; want %d", a.name, r.OvertakenBy, a.overtaken)
			}
			checkBlame(t, a, r, len(w.events))
		}
		// Little's law: the mean number in the queue is the rate of arrivals times
		// the mean wait.
		if mean := rep.QueueMean * rep.Window.Duration().Seconds(); math.Abs(mean-waits.Seconds()) > 1e-6*(1+waits.Seconds()) {
			t.Errorf("mean queue times window is %v s, all waits are %v", mean, waits)
		}
		for _, g := range rep.Resources {
			if want := w.busy[g.Name].Seconds(); math.Abs(g.InUse*rep.Window.Duration().Seconds()-want) > 1e-6*(1+want) {
				t.Errorf("%s was busy for %v s; want %v", g.Name, g.InUse*rep.Window.Duration().Seconds(), want)
			}
			if g.Utilisation > 1+1e-9 || g.Utilisation < 0 {
				t.Errorf("%s is used %v", g.Name, g.Utilisation)
			}
		}
		checkSame(t, w.events, rep)
	})
}

// checkBlame compares the shares of a request with the account of the world.
func checkBlame(t *rapid.T, a *actor, r *Request, events int) {
	us := map[string]float64{}
	var sum time.Duration
	for _, s := range r.Blame {
		name := s.Holder.Test
		us[fmt.Sprintf("%s %s", s.Cause, name)] += float64(s.Time.Duration() / time.Microsecond)
		sum += s.Time.Duration()
		if s.Time <= 0 {
			t.Errorf("%s: a share of %v", a.name, s.Time.Duration())
		}
	}
	if sum != r.Waited {
		t.Errorf("%s waited %v, blame sums to %v", a.name, r.Waited, sum)
	}
	for k, want := range a.blame {
		// Each interval is rounded to microseconds.
		if math.Abs(us[k]-want) > float64(events) {
			t.Errorf("%s blames %.0f µs on %q; want %.0f\ngot %v\nwant %v", a.name, us[k], k, want, us, a.blame)
		}
		delete(us, k)
	}
	for k, v := range us {
		if v > float64(events) {
			t.Errorf("%s blames %.0f µs on %q; want none", a.name, v, k)
		}
	}
}

// checkSame folds again and compares the bytes.
func checkSame(t *rapid.T, events []eventlog.Event, rep *Report) {
	again, err := Fold(reporttest.Sequence(events), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := json.NewEncoder(&a).Encode(rep); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&b).Encode(again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("two reports of the same events:\n%s\n%s", a.Bytes(), b.Bytes())
	}
}
