package simulate_test

import (
	"fmt"
	"log"
	"os"
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
	for _, p := range []lockcore.QueuePolicy{lockcore.FIFO, lockcore.Backfill} {
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

// Workloads are the made-up suites that tables compare. The same arguments give the
// same jobs.
func ExampleWorkloads() {
	for _, w := range simulate.Workloads() {
		var workload simulate.Workload = w
		jobs := workload.Jobs(5, 100, 0.9, 1)
		fmt.Println(workload.Name, len(jobs))
	}
	independent, liars := simulate.Independent(5, 100, 0.9, 1), simulate.Liars(5, 100, 0.9, 1)
	fmt.Println("an owner to learn of:", independent[0].Owner.Test != "", liars[0].Owner.Test != "")
	racks, matrix := simulate.Racks(6, 100, 0.9, 1), simulate.Matrix(5, 100, 0.9, 1)
	fmt.Println(len(racks), len(matrix))
	// Output:
	// independent 100
	// tests 100
	// matrix 100
	// racks 100
	// liars 100
	// an owner to learn of: false true
	// 100 100
}

// A test that asks again when its first board has been given back: had it waited
// less, it would have asked earlier.
func ExampleOrder() {
	board := []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "b1"}}}}
	jobs := []simulate.Job{
		{Hold: time.Minute, Requirements: board},
		{Hold: time.Minute, Requirements: board, Order: simulate.Order{After: 1}, At: time.Second},
	}
	out, err := simulate.Run(jobs, lockcore.Backfill, 1)
	if err != nil {
		log.Fatal(err)
	}
	var second simulate.Outcome = out[1]
	fmt.Println("asks after", second.Arrived, "waits", second.Waited, "is done after", second.End(jobs[1]))
	// Output: asks after 1m1s waits 0s is done after 2m1s
}

// A replay of what a store has decided: the third job was let past the second, though
// nobody knows how long it takes.
func ExampleRecorded() {
	board := func(n int) []lockcore.Requirement {
		return []lockcore.Requirement{{Need: n, Candidates: []lockcore.Candidate{{Key: "a"}, {Key: "b"}}}}
	}
	out, err := simulate.Run([]simulate.Job{
		{Hold: time.Minute, Requirements: board(1)},
		{At: time.Second, Hold: time.Minute, Requirements: board(2)},
		{At: 2 * time.Second, Hold: time.Second, Requirements: board(1), Past: &simulate.Past{Jobs: []int{2}}},
	}, simulate.Recorded, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the third waits", out[2].Waited, "and the second", out[1].Waited)
	// Output: the third waits 0s and the second 59s
}

// A scheduling of one's own: whoever fits takes, and nobody says how long it takes.
func ExampleScheduling() {
	greedy := simulate.Scheduling{Name: "silent", Policy: simulate.Greedy, Prepare: func(jobs []simulate.Job) {
		for i := range jobs {
			jobs[i].Expect = 0
		}
	}}
	sum, err := greedy.Simulate(simulate.Tests(5, 200, 0.9, 1), 1)
	if err != nil {
		log.Fatal(err)
	}
	var waits simulate.Waits = sum.All
	fmt.Println(waits.Jobs, "jobs, of which", sum.Small.Jobs, "want one board")
	fmt.Println("the longest wait exceeds the mean:", waits.Max > waits.Mean)
	// Output:
	// 200 jobs, of which 179 want one board
	// the longest wait exceeds the mean: true
}

// Rows are the figures of a table, for a program of one's own to print.
func ExampleRows() {
	rows, err := simulate.Rows(simulate.Options{Workloads: []string{"tests"}, Schedulings: []string{"fifo"}, Pools: []int{5}, Loads: []float64{0.9}, Seeds: 2, Jobs: 100})
	if err != nil {
		log.Fatal(err)
	}
	var row simulate.Row = rows[0]
	mean := row.Mean(func(s *simulate.Summary) time.Duration { return s.All.Mean })
	fmt.Println(row.Workload, row.Pool, row.Load, row.Scheduling, len(row.Runs), mean > 0)
	// Output: tests 5 0.9 fifo 2 true
}

// Two who take a minute each stand in line behind one who takes four: each is told
// at its arrival when it will be served.
func ExampleForecasts() {
	board := []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board"}}}}
	job := func(at, hold time.Duration) simulate.Job {
		return simulate.Job{At: at, Hold: hold, Expect: hold, Requirements: board}
	}
	jobs := []simulate.Job{job(0, 4*time.Minute), job(time.Minute, time.Minute), job(2*time.Minute, time.Minute)}
	notes, err := simulate.Forecasts(jobs, lockcore.FIFO, 1, 1)
	for _, f := range notes {
		var n simulate.Forecast = f
		fmt.Println("job", n.Job, "expects to wait", n.Wait, "and waits", n.Waited, "error", n.Error(), n.Known)
	}
	fmt.Println(err)
	// Output:
	// job 1 expects to wait 3m0s and waits 3m0s error 0 true
	// job 2 expects to wait 3m0s and waits 3m0s error 0 true
	// <nil>
}

// How far off expected starts are, over a workload: here a tiny one.
func ExampleExpectedTable() {
	err := simulate.ExpectedTable(os.Stdout, simulate.Options{Workloads: []string{"independent"}, Pools: []int{5}, Loads: []float64{0.9}, Seeds: 1, Jobs: 5})
	fmt.Println(err)
	// Output:
	// workload     pool  load  waited  told  median error  P90
	// independent  5     0.9   0       0 %   0 %           0 %
	// <nil>
}
