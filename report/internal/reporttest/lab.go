package reporttest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Lab makes up the events of tests that share boards, first come, first served:
// one of the boards, sometimes two, sometimes the chamber too, or read access to
// staging. The same lab gives the same events.
type Lab struct {
	requests int
	boards   int
	lanes    int           // tests at a time
	hold     time.Duration // on average
}

type labRequest struct {
	id, test, host string
	pid            int
	reqs           []eventlog.Requirement
	asked          time.Duration
	hold           time.Duration
	patience       time.Duration
	end            eventlog.Kind
}

func (l Lab) Events() []eventlog.Event {
	rnd := rand.New(rand.NewPCG(1, uint64(l.requests)))
	var boards []string
	for i := range l.boards {
		boards = append(boards, fmt.Sprint("board-", i+1))
	}
	tests := []string{"TestFlash", "TestPair", "TestSoak", "TestOTA", "TestBoot", "TestSleep/deep", "TestRadio", `TestNames/"a"_<b>&'c'`, "TestUnicode/größe_板"}
	var events []eventlog.Event
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	say := func(at time.Duration, r *labRequest, e eventlog.Event) {
		e.TS = begin.Add(at)
		e.At, e.Req, e.Host, e.PID = e.TS, r.id, r.host, r.pid
		e.Run = eventlog.RunInfo{ID: "nightly-812", URL: "https://ci.example.com/job/812"}
		e.Test = eventlog.TestInfo{Pkg: "example.com/lab/boards", Name: r.test, File: "/src/lab/boards/boards_test.go", Line: 40 + len(r.test)}
		events = append(events, e)
	}
	free := map[string]time.Duration{} // when each key is free again
	last := map[string]*labRequest{}
	lanes := make([]time.Duration, l.lanes)
	for i := range l.requests {
		lane := slices.Index(lanes, slices.Min(lanes)) // the process whose test was over first asks next
		r := &labRequest{id: fmt.Sprint("R", i+1), test: tests[int(rnd.ExpFloat64()*2)%len(tests)], host: fmt.Sprint("ci-", lane%4+1), pid: 1000 + lane,
			asked: lanes[lane] + time.Duration(rnd.ExpFloat64()*float64(l.hold)/2), hold: time.Duration((0.2 + rnd.ExpFloat64()) * float64(l.hold)), patience: 12 * l.hold, end: eventlog.Release}
		need := 1
		if rnd.IntN(6) == 0 {
			need = 2
		}
		r.reqs = []eventlog.Requirement{{Name: "boards", Need: min(need, l.boards), Candidates: boards, Tags: map[string]string{"model": "k64f"}}}
		switch rnd.IntN(8) {
		case 0:
			r.reqs = append(r.reqs, eventlog.Requirement{Name: "RF chamber", Candidates: []string{"chamber"}})
		case 1:
			r.reqs = []eventlog.Requirement{{Name: "staging", Candidates: []string{"staging"}, Shared: true}}
		}
		if rnd.IntN(200) == 7 {
			r.end = eventlog.Lost
		}
		lanes[lane] = l.serve(r, free, last, say)
	}
	slices.SortStableFunc(events, func(a, b eventlog.Event) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	fence := uint64(0)
	for i := range events {
		if events[i].Ev != eventlog.Grant {
			continue
		}
		fence++
		for k := range events[i].Chosen {
			events[i].Chosen[k].Fence = fence
		}
	}
	return events
}

// serve tells of one request and returns when its test is over.
func (l Lab) serve(r *labRequest, free map[string]time.Duration, last map[string]*labRequest, say func(time.Duration, *labRequest, eventlog.Event)) time.Duration {
	say(r.asked, r, eventlog.Event{Ev: eventlog.Request, Reqs: r.reqs, LeaseMS: eventlog.MS(30 * time.Second)})
	at := r.asked
	var chosen []eventlog.Chosen
	for i, q := range r.reqs {
		keys := slices.Clone(q.Candidates)
		slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(free[a], free[b]) })
		for _, k := range keys[:max(1, q.Need)] {
			// Readers wait for nobody here, as nobody has staging alone.
			if !q.Shared {
				at = max(at, free[k])
			}
			chosen = append(chosen, eventlog.Chosen{Key: k, Req: i, Tags: q.Tags})
		}
	}
	// The test knows beforehand how long it would wait. So it stands in nobody's way until then.
	waited := at - r.asked
	if waited > r.patience {
		by := last[chosen[0].Key]
		say(r.asked+r.patience, r, eventlog.Event{Ev: eventlog.Withdraw, WaitedMS: eventlog.MS(r.patience), Outcome: eventlog.Skipped, Refusal: eventlog.RefusedTimeout,
			Error: fmt.Sprintf("gave up after %s waiting for boards; %q is held by %s", r.patience, chosen[0].Key, by.test)})
		return r.asked + r.patience
	}
	say(at, r, eventlog.Event{Ev: eventlog.Grant, WaitedMS: eventlog.MS(waited), Outcome: eventlog.Acquired, Chosen: chosen})
	end := at + r.hold
	e := eventlog.Event{Ev: r.end, HeldMS: eventlog.MS(r.hold)}
	if r.end == eventlog.Lost {
		e.Outcome = eventlog.LeaseLost
	}
	say(end, r, e)
	for _, c := range chosen {
		if !r.reqs[c.Req].Shared {
			free[c.Key], last[c.Key] = end, r
		}
	}
	return end
}

// Labs are labs of 5, 500 and 10,000 requests.
var Labs = map[string]Lab{
	"5":     {5, 2, 3, 20 * time.Second},
	"500":   {500, 8, 12, 30 * time.Second},
	"10000": {10000, 60, 90, 45 * time.Second},
}
