package simulate_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
)

// A soak test holds one of two boards, a test of pairs waits for both, and a smoke
// test comes last.
func ExampleRun() {
	boards := []lockcore.Candidate{{Key: "b1"}, {Key: "b2"}}
	job := func(need int, at, hold time.Duration) simulate.Job {
		return simulate.Job{At: at, Hold: hold, Expect: hold, Requirements: []lockcore.Requirement{{Candidates: boards, Need: need}}}
	}
	jobs := []simulate.Job{
		job(1, 0, 10*time.Minute),
		job(2, time.Second, time.Minute),
		job(1, 2*time.Second, time.Minute),
	}
	for _, p := range []lockcore.Policy{lockcore.FIFO, lockcore.Backfill} {
		out, err := simulate.Run(jobs, p, 1)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: the pair waits %s, the smoke test %s, %v\n", p, out[1].Waited, out[2].Waited, simulate.Summarize(jobs, out).Makespan)
	}
	// Output:
	// fifo: the pair waits 9m59s, the smoke test 10m58s, 12m0s
	// backfill: the pair waits 9m59s, the smoke test 0s, 11m0s
}

func ExampleTable() {
	var table strings.Builder
	err := simulate.Table(&table, simulate.Options{Workloads: []string{"tests"}, Pools: []int{5}, Loads: []float64{0.9}, Seeds: 1, Jobs: 100})
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(table.String()) {
		fmt.Println(strings.Fields(line)[:4])
	}
	// Output:
	// [workload pool load scheduling]
	// [tests 5 0.9 fifo]
	// [tests 5 0.9 greedy]
	// [tests 5 0.9 backfill,]
	// [tests 5 0.9 backfill,]
	// [tests 5 0.9 backfill,]
	// [tests 5 0.9 shortest]
}

func ExampleScheduling_Simulate() {
	jobs := simulate.Tests(20, 2000, 0.9, 1)
	var waits []time.Duration
	for _, s := range simulate.Schedulings() {
		sum, err := s.Simulate(jobs, 1)
		if err != nil {
			log.Fatal(err)
		}
		waits = append(waits, sum.All.Mean)
	}
	fmt.Println("backfill with learned expectations waits less than fifo:", waits[2] < waits[0])
	// Output: backfill with learned expectations waits less than fifo: true
}
