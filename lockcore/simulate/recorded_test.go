package simulate

import (
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestRecordedFollowsDecisions has two pairs wait for a board that is free, and one that
// a soak test holds; two quick tests, of which nobody knows how long they take, would
// have to wait for both pairs.
func TestRecordedFollowsDecisions(t *testing.T) {
	jobs := func(a, b *Past) []Job {
		return []Job{
			{Hold: 20 * time.Second, Requirements: of(1, "a")},
			{Hold: 2 * time.Second, Requirements: of(1, "b")},
			{At: time.Second, Hold: time.Second, Requirements: of(2, "a", "b")},
			{At: time.Second, Hold: time.Second, Requirements: of(2, "a", "b")},
			{At: 3 * time.Second, Hold: 4 * time.Second, Requirements: of(1, "a", "b"), Past: a},
			{At: 5 * time.Second, Hold: time.Second, Requirements: of(1, "a", "b"), Past: b},
		}
	}
	for _, c := range []struct {
		name  string
		a, b  *Past
		moved string // when they were granted, and whether before those in front of them
	}{
		{"nobody is let past others", nil, nil, "22s false 22s false"},
		{"from its arrival", &Past{Jobs: []int{3, 4}}, nil, "3s true 22s false"},
		{"a while after its arrival", &Past{Jobs: []int{3, 4}, In: 3 * time.Second}, nil, "6s true 22s false"},
		{"a while after the end of another", &Past{Jobs: []int{3, 4}, After: 2, In: 7 * time.Second}, nil, "9s true 22s false"},
		{"when it is over", &Past{Jobs: []int{3, 4}, After: 2, In: 30 * time.Second}, nil, "22s false 22s false"},
		{"when it holds", &Past{Jobs: []int{3, 4}, After: 2, In: 21 * time.Second}, nil, "22s false 22s false"},
		{"before it comes", &Past{Jobs: []int{3, 4}, After: 2, In: 500 * time.Millisecond}, nil, "3s true 22s false"},
		{"the first in line before the other", &Past{Jobs: []int{3, 4}, In: 2 * time.Second}, &Past{Jobs: []int{3, 4}}, "5s true 9s true"},
		{"one after the other", &Past{Jobs: []int{3, 4}}, &Past{Jobs: []int{3, 4}, After: 5}, "3s true 7s true"},
		{"a while after the other", &Past{Jobs: []int{3, 4}}, &Past{Jobs: []int{3, 4}, After: 5, In: time.Second}, "3s true 8s true"},
		{"after one that ends later", &Past{Jobs: []int{3, 4}, After: 3}, nil, "22s false 22s false"},
		{"past one of two", &Past{Jobs: []int{4}}, nil, "22s false 22s false"},
		{"past one that holds before", &Past{Jobs: []int{3, 4}}, &Past{Jobs: []int{3, 4, 5}}, "3s true 7s true"},
		{"past one that waits, too", &Past{Jobs: []int{3, 4}, In: 4 * time.Second}, &Past{Jobs: []int{3, 4, 5}}, "7s true 5s true"},
	} {
		out, err := Run(jobs(c.a, c.b), Recorded, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(out[4].Arrived+out[4].Waited, " ", out[4].Backfilled, " ", out[5].Arrived+out[5].Waited, " ", out[5].Backfilled)
		if got != c.moved {
			t.Errorf("%s: got %s, want %s", c.name, got, c.moved)
		}
	}
	// Under the policies of stores nobody is asked.
	out, err := Run(jobs(&Past{Jobs: []int{3, 4}}, nil), lockcore.FIFO, 1)
	if err != nil || out[4].Backfilled {
		t.Errorf("fifo let somebody past others: %v", err)
	}
	for _, after := range []int{-1, 7} {
		if _, err := Run(jobs(&Past{After: after}, nil), Recorded, 1); err == nil {
			t.Errorf("there is no job %d", after)
		}
	}
}

// TestRecordedLetsSeveralPastAtOnce when a job is over.
func TestRecordedLetsSeveralPastAtOnce(t *testing.T) {
	jobs := []Job{
		{Hold: 20 * time.Second, Requirements: of(1, "a")},
		{Hold: 5 * time.Second, Requirements: of(1, "x")},
		{At: time.Second, Hold: time.Second, Requirements: of(5, "a", "b", "c", "d", "e")},
	}
	for i := range 4 {
		if i == 3 { // nobody lets this one past anybody
			jobs = append(jobs, Job{At: 2 * time.Second, Hold: time.Second, Requirements: of(1, "a", "b", "c", "d", "e")})
		}
		jobs = append(jobs, Job{At: 2 * time.Second, Hold: time.Second, Requirements: of(1, "a", "b", "c", "d", "e"), Past: &Past{Jobs: []int{3}, After: 2}})
	}
	out, err := Run(jobs, Recorded, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := 3; i < len(jobs); i++ {
		if jobs[i].Past == nil {
			continue
		}
		if at := out[i].Arrived + out[i].Waited; at != 5*time.Second || !out[i].Backfilled {
			t.Errorf("job %d was granted at %s, before those in front of it: %v; want 5s, true", i+1, at, out[i].Backfilled)
		}
	}
}
