package locktest

import (
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// expectedStart: a holder that says how long, a test that is known from the last
// time, and one of which nothing is known stand in one line.
func expectedStart(e *env) {
	l := e.locker("l")
	learned := request(of(1, "x"))
	learned.Owner.Test = "TestLearned"
	e.release(e.acquire(l, learned)) // took next to nothing

	req := request(of(1, "k"))
	req.Expect = time.Hour
	e.acquire(l, req)
	wait := func(name string, expect time.Duration, reqs ...lockcore.Requirement) {
		r := request(reqs...)
		r.Expect = expect
		e.start(e.ctx, l, name, r)
	}
	wait("says", 2*time.Hour, of(1, "k"))
	wait("TestLearned", 0, of(1, "k"))
	wait("TestUnknown", 0, of(1, "k"))
	wait("behind it", time.Hour, of(1, "k"))
	s, err := l.Snapshot(e.ctx)
	if err != nil || len(s.Waiters) != 4 {
		e.Fatalf("want four in line, got %+v, %v", s.Waiters, err)
	}
	for i, hours := range []time.Duration{1, 3, 3} {
		w := s.Waiters[i]
		if d := w.Start.Sub(s.Time) - hours*time.Hour; w.Start.IsZero() || d > 10*time.Minute || d < -10*time.Minute {
			e.Errorf("at %s %s is expected at %s, which should be in %d h (it takes %s)", s.Time, w.Owner.Test, w.Start, hours, w.Expect)
		}
	}
	if w := s.Waiters[3]; !w.Start.IsZero() {
		e.Errorf("it stands behind a test of which nothing is known, and is expected at %s", w.Start)
	}
}
