package simulate

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func of(n int, keys ...string) []lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return []lockcore.Requirement{r}
}

func TestRunIsDeterministic(t *testing.T) {
	jobs := Racks(5, 500, 1.2, 1)
	a, err := Run(jobs, lockcore.Backfill, 7)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Run(jobs, lockcore.Backfill, 7)
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("the same jobs and the same seed gave two outcomes: %v", err)
	}
	if c, _ := Run(jobs, lockcore.Backfill, 8); reflect.DeepEqual(a, c) {
		t.Error("another seed chose the same boards 500 times")
	}
}

// TestNobodySharesABoard looks at the outcome alone: no key is held by two jobs at
// once, and every job has what it asked for.
func TestNobodySharesABoard(t *testing.T) {
	for _, p := range []lockcore.QueuePolicy{lockcore.FIFO, Greedy, lockcore.Backfill} {
		jobs := Tests(5, 1000, 1.2, 3)
		out, err := Run(jobs, p, 1)
		if err != nil {
			t.Fatal(err)
		}
		type span struct{ from, to time.Duration }
		held := make(map[string][]span)
		for i, o := range out {
			if len(o.Keys) != jobs[i].Requirements[0].Need {
				t.Fatalf("%s: job %d has %q for a need of %d", p, i, o.Keys, jobs[i].Requirements[0].Need)
			}
			s := span{o.Arrived + o.Waited, o.End(jobs[i])}
			for _, k := range o.Keys {
				for _, other := range held[k] {
					if s.from < other.to && other.from < s.to {
						t.Fatalf("%s: %s is held from %s to %s and from %s to %s", p, k, s.from, s.to, other.from, other.to)
					}
				}
				held[k] = append(held[k], s)
			}
		}
	}
}

func TestImpossibleJobsAreErrors(t *testing.T) {
	if _, err := Run([]Job{{Requirements: of(3, "a", "b")}}, lockcore.FIFO, 1); !errors.Is(err, lockcore.ErrUnsatisfiable) {
		t.Errorf("3 of 2: want ErrUnsatisfiable, got %v", err)
	}
	if _, err := Run([]Job{{Requirements: of(1, "a"), Order: Order{After: 1}}}, lockcore.FIFO, 1); err == nil {
		t.Error("a job that comes after itself is no error")
	}
}

func TestJobsThatComeAfterOthers(t *testing.T) {
	out, err := Run([]Job{
		{At: time.Second, Hold: 10 * time.Second, Requirements: of(1, "a")},
		{At: time.Second, Hold: time.Second, Requirements: of(1, "a"), Order: Order{After: 1}},
	}, lockcore.FIFO, 1)
	if err != nil || out[1].Arrived != 12*time.Second {
		t.Errorf("a second after a job that ends at 11s is %v, %v", out, err)
	}
}

// TestJobsThatGiveUp has a pair keep a board aside while it waits for another one:
// when its patience is over, the test behind it has that board, and what comes after
// the pair begins.
func TestJobsThatGiveUp(t *testing.T) {
	jobs := []Job{
		{Hold: 20 * time.Second, Requirements: of(1, "a")},
		{At: time.Second, Hold: time.Second, Patience: 4 * time.Second, Requirements: of(2, "a", "b")},
		{At: 2 * time.Second, Hold: 5 * time.Second, Requirements: of(1, "b")},
		{At: time.Second, Hold: time.Second, Requirements: of(1, "c"), Order: Order{After: 2}},
	}
	want(t, play(t, jobs), "0s 0s 20s", "1s 5s 5s", "2s 5s 10s", "6s 6s 7s")
	jobs[0].Hold = 3 * time.Second
	want(t, play(t, jobs), "0s 0s 3s", "1s 3s 4s", "2s 4s 9s", "5s 5s 6s")
}

// TestJobsThatHoldSomethingPassReservations has a job hold the rack and ask for a board,
// which somebody who waits for both has reserved: he will not get the rack before.
func TestJobsThatHoldSomethingPassReservations(t *testing.T) {
	jobs := []Job{
		{Hold: time.Second, Requirements: of(1, "rack"), Order: Order{Until: 1}},
		{At: time.Second, Hold: time.Second, Requirements: append(of(1, "rack"), of(1, "board")...)},
		{At: 2 * time.Second, Hold: 5 * time.Second, Requirements: of(1, "board"), Parents: []int{1}, Order: Order{Within: 1, Line: 1}},
	}
	want(t, play(t, jobs), "0s 0s 8s", "1s 8s 9s", "2s 2s 7s")
	jobs[2].Parents = nil
	if _, err := Run(jobs, lockcore.FIFO, 1); !errors.Is(err, lockcore.ErrDeadlock) {
		t.Errorf("want ErrDeadlock where nobody knows that it holds the rack, got %v", err)
	}
}
