package simulate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// play runs jobs and lists when each arrived, was granted and ended.
func play(t *testing.T, jobs []Job) (moments []string) {
	t.Helper()
	out, err := Run(jobs, lockcore.FIFO, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		moments = append(moments, fmt.Sprint(o.Arrived, " ", o.Arrived+o.Waited, " ", o.End(jobs[i])))
	}
	return moments
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestJobsWithinOthers has a lease on a rack around two requests for boards, the
// first of which has to wait: the rack is held as much longer.
func TestJobsWithinOthers(t *testing.T) {
	jobs := []Job{
		{Hold: 20 * time.Second, Requirements: of(1, "board")},
		{At: time.Second, Hold: time.Second, Requirements: of(1, "rack"), Order: Order{Until: 1}},
		{At: time.Second, Hold: 2 * time.Second, Requirements: of(1, "board"), Order: Order{Within: 2, Line: 1}},
		{At: time.Second, Hold: 2 * time.Second, Requirements: of(1, "board"), Order: Order{After: 3, Line: 1}},
		{At: 2 * time.Second, Hold: time.Second, Requirements: of(1, "rack")},
	}
	want(t, play(t, jobs), "0s 0s 20s", "1s 1s 26s", "2s 20s 22s", "23s 23s 25s", "2s 26s 27s")
	jobs[0].Hold = 0
	want(t, play(t, jobs), "0s 0s 0s", "1s 1s 8s", "2s 2s 4s", "5s 5s 7s", "2s 8s 9s")
}

// TestJobsThatTakeTurns has two places and four tests of different length: who
// begins when is not fixed, and what comes after all of them begins with the last.
func TestJobsThatTakeTurns(t *testing.T) {
	held := func(seconds int, key string, o Order) Job {
		o.Line = 1
		o.Leaves = true
		return Job{Hold: time.Duration(seconds) * time.Second, Requirements: of(1, key), Order: o}
	}
	jobs := []Job{
		held(10, "a", Order{}),
		held(3, "b", Order{}),
		held(3, "c", Order{Queued: true}),
		held(9, "d", Order{Queued: true}),
		{At: time.Second, Hold: time.Second, Requirements: of(1, "e"), Order: Order{AfterLine: 1}},
	}
	jobs[3].At = time.Second
	want(t, play(t, jobs), "0s 0s 10s", "0s 0s 3s", "3s 3s 6s", "7s 7s 16s", "17s 17s 18s")
	jobs[0].Hold = 2 * time.Second
	want(t, play(t, jobs), "0s 0s 2s", "0s 0s 3s", "2s 2s 5s", "4s 4s 13s", "14s 14s 15s")
}

// TestCirclesAreErrors has two that hold one board each ask for the other's.
func TestCirclesAreErrors(t *testing.T) {
	var jobs []Job
	for i, keys := range [][]string{{"a", "b"}, {"b", "a"}} {
		jobs = append(jobs, Job{Hold: time.Second, Requirements: of(1, keys[0]), Order: Order{Until: i + 1}},
			Job{At: time.Second, Hold: time.Second, Requirements: of(1, keys[1]), Order: Order{Within: 2*i + 1, Line: i + 1}})
	}
	if _, err := Run(jobs, lockcore.Backfill, 1); !errors.Is(err, lockcore.ErrDeadlock) || err.Error()[:15] != "simulate: job 2" {
		t.Errorf("want ErrDeadlock that names job 2, got %v", err)
	}
	jobs[3].At = 5 * time.Second
	if _, err := Run(jobs, lockcore.Backfill, 1); !errors.Is(err, lockcore.ErrDeadlock) {
		t.Errorf("want ErrDeadlock, got %v", err)
	}
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]Order{
		"after itself":    {After: 1},
		"within itself":   {Within: 1},
		"two things":      {Within: 1, AfterLine: 1},
		"no line":         {Queued: true},
		"leaves no line":  {Leaves: true},
		"a negative line": {Line: -1},
		"a line beyond":   {Until: 2},
		"nobody leaves":   {Queued: true, Line: 1},
		"nobody in line":  {AfterLine: 1},
	} {
		if _, err := Run([]Job{{Requirements: of(1, "a"), Order: o}}, lockcore.FIFO, 1); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
