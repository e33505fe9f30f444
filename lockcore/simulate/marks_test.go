package simulate

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMarks has runs that are just within a mark, and runs that are just beyond.
func TestMarks(t *testing.T) {
	of := func(mean, longest, makespan time.Duration) Summary {
		return Summary{All: Waits{Mean: mean, Max: longest}, Makespan: makespan}
	}
	m := marks{mean: 1. / 4, longest: 1.5, makespan: 1.25}
	fifo := &Row{Runs: []Summary{of(8, 20, 1), of(8, 20, 1), of(8, 20, 1), of(80, 20, 1)}}
	greedy := &Row{Runs: []Summary{of(1, 99, 40), of(1, 99, 40), of(1, 99, 40), of(1, 99, 400)}}
	r := &Row{Runs: []Summary{of(2, 30, 50), of(3, 30, 51), of(3, 31, 51), of(20, 30, 51)}}
	got := count(r, fifo, greedy, m)
	if want := (tally{mean: 2, longest: 3, makespan: 2, seeds: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sum := got
	sum.add(tally{1, 2, 3, 4})
	if got, want := sum.text(m), "3, 5, 5 of 8 within 0.25, 1.5, 1.25"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLearned holds what -learned prints of two other seeds against what the rows say.
func TestLearned(t *testing.T) {
	o := Options{Workloads: []string{"tests"}, Pools: []int{3}, Loads: []float64{0.9}, Seeds: 2, FirstSeed: 7, Jobs: 300}
	var out strings.Builder
	if err := (&wanted{learned: true}).printer()(&out, o); err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]Summary)
	longer := 0
	for seed := uint64(7); seed <= 8; seed++ {
		var fifo Summary
		for _, s := range Schedulings() {
			one, err := s.Simulate(Workloads()[1].Jobs(3, 300, 0.9, seed), seed)
			if err != nil {
				t.Fatal(err)
			}
			sum := sums[s.Name]
			sum.All.Mean += one.All.Mean
			sum.All.Max += one.All.Max
			sum.Big.Mean += one.Big.Mean
			sum.Makespan += one.Makespan
			sums[s.Name] = sum
			switch s.Name {
			case "fifo":
				fifo = one
			case "backfill, learned":
				if one.All.Max > fifo.All.Max {
					longer++
				}
			}
		}
	}
	fifo, greedy, l := sums["fifo"], sums["greedy"], sums["backfill, learned"]
	of := func(a, b time.Duration) float64 { return float64(a) / float64(b) }
	want := fmt.Sprintf("tests 3 0.9 %.2f %.1f %.2f %d %.3f %.2f %.1f", of(l.All.Mean, greedy.All.Mean), of(fifo.All.Mean, l.All.Mean),
		of(l.All.Max, fifo.All.Max), longer, of(l.Makespan, greedy.Makespan), of(greedy.Big.Mean, l.Big.Mean), of(fifo.Big.Mean, l.Big.Mean))
	lines := strings.Split(out.String(), "\n")
	if got := strings.Join(strings.Fields(lines[1]), " "); got != want {
		t.Errorf("want a line of\n%s, got\n%s", want, out.String())
	}
}

// TestMarksOfTheWorkloads looks at what -shares prints: each workload is counted by
// its own marks, with a line for all of it, and those that have none not at all.
func TestMarksOfTheWorkloads(t *testing.T) {
	var out strings.Builder
	if err := (&wanted{shares: true}).printer()(&out, Options{Pools: []int{2, 3}, Loads: []float64{0.9}, Seeds: 2, Jobs: 60}); err != nil {
		t.Fatal(err)
	}
	tally := func(n, marks string) string {
		return "[0-" + n + "], [0-" + n + "], [0-" + n + "] of " + n + " within " + marks
	}
	for workload, marks := range map[string]string{"independent": "0.25, 1.5, 1.02", "tests": "0.125, 1, 1.02", "matrix": "", "racks": "", "liars": ""} {
		piece, all := "-", ""
		if marks != "" {
			piece, all = tally("2", marks), tally("4", marks)
		}
		for part, want := range map[string]string{"3 +0.9": piece, "all": all} {
			line := regexp.MustCompile(`(?m)^` + workload + ` +` + part + ` +backfill, known .*`).FindString(out.String())
			if !regexp.MustCompile(`^$|  `+want+`$`).MatchString(line) || (line == "") != (want == "") {
				t.Errorf("%s, %s: want a line that ends in %q, got %q", workload, part, want, line)
			}
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
