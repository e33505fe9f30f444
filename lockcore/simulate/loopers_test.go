package simulate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestFiveOfFiveBesideLoopers: where everybody holds for moments, who wants all boards
// waits about as long as in the order of arrival: for four rounds of twenty loopers.
func TestFiveOfFiveBesideLoopers(t *testing.T) {
	const loopers, hold = 20, 20 * time.Millisecond
	boards := []string{"a", "b", "c", "d", "e"}
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		// About 20 ms each, as their history has it.
		about := func() time.Duration { return time.Duration(15+rnd.IntN(11)) * time.Millisecond }
		var jobs []Job
		last := make([]int, loopers) // job of each, counted from 1
		for round := range 150 {
			for i := range last {
				j := Job{Hold: about(), Expect: hold, Requirements: of(1, boards...), Order: Order{After: last[i]}}
				if round == 0 {
					j.At = time.Duration(rnd.IntN(20)) * time.Millisecond
				}
				jobs = append(jobs, j)
				last[i] = len(jobs)
			}
		}
		jobs = append(jobs, Job{At: time.Second + time.Duration(rnd.IntN(20))*time.Millisecond, Hold: hold, Expect: hold, Requirements: of(5, boards...)})
		out, err := Run(jobs, lockcore.Backfill, seed)
		if err != nil {
			t.Fatal(err)
		}
		if waited, bound := out[len(jobs)-1].Waited, hold*loopers/5; waited > bound*13/10 {
			t.Errorf("seed %d: it waited %s, want at most 1.3 of %s", seed, waited, bound)
		}
	}
}
