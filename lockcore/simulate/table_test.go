package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestTable prints the table with -table, or a part of it with -brief, and without
// makes a small one, which has to have a line for everything.
func TestTable(t *testing.T) {
	o, err := fromFlags.options()
	if err != nil {
		t.Fatal(err)
	}
	if print := fromFlags.printer(); print != nil {
		if err := print(os.Stdout, o); err != nil {
			t.Fatal(err)
		}
		return
	}
	var out strings.Builder
	if err := Table(&out, Options{Pools: []int{5}, Loads: []float64{0.9}, Seeds: 1, Jobs: 200}); err != nil {
		t.Fatal(err)
	}
	for _, w := range Workloads() {
		for _, s := range Schedulings() {
			if !strings.Contains(out.String(), "\n"+w.Name) || !strings.Contains(out.String(), s.Name) {
				t.Errorf("no line for %s on %s in\n%s", s.Name, w.Name, out.String())
			}
		}
	}
	if err := Table(&out, Options{Workloads: []string{"tets"}}); err == nil || !strings.Contains(err.Error(), "tests") {
		t.Errorf("a workload with a typo: want an error that lists those there are, got %v", err)
	}
}

// TestRowsAreInOrder holds every run of a table, which all cores make together,
// against the same run alone.
func TestRowsAreInOrder(t *testing.T) {
	rows, err := Rows(Options{Workloads: []string{"tests", "independent"}, Pools: []int{2, 1}, Loads: []float64{0.5, 1.2}, Seeds: 3, Jobs: 40})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range Workloads()[:2] {
		for _, n := range []int{2, 1} {
			for _, load := range []float64{0.5, 1.2} {
				for _, s := range Schedulings() {
					want := Row{Workload: w.Name, Pool: n, Load: load, Scheduling: s.Name}
					for seed := range uint64(3) {
						sum, err := s.Simulate(w.Jobs(n, 40, load, seed+1), seed+1)
						if err != nil {
							t.Fatal(err)
						}
						want.Runs = append(want.Runs, sum)
					}
					if len(rows) == 0 || !reflect.DeepEqual(rows[0], want) {
						t.Fatalf("want %+v, got the rows %+v", want, rows)
					}
					rows = rows[1:]
				}
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("%d rows too many", len(rows))
	}
}

func TestParallel(t *testing.T) {
	var calls [100]atomic.Int64
	if err := parallel(7, len(calls), func(i int) error { calls[i].Add(1); return nil }); err != nil {
		t.Error(err)
	}
	for i := range calls {
		if n := calls[i].Load(); n != 1 {
			t.Errorf("%d was called %d times", i, n)
		}
	}

	errs := []error{errors.New("of 0"), errors.New("of 1")}
	later := make(chan struct{})
	err := parallel(2, 2, func(i int) error {
		if i == 1 {
			close(later)
		}
		<-later
		return errs[i]
	})
	if err != errs[0] {
		t.Errorf("both fail: want the error %v, got %v", errs[0], err)
	}

	begun := 0
	err = parallel(1, 10, func(i int) error {
		begun++
		if i == 2 {
			return errs[1]
		}
		return nil
	})
	if err != errs[1] || begun != 3 {
		t.Errorf("the third fails: %d have begun, %v", begun, err)
	}
}

// TestBackfillShortensWaits is a small part of the table, with room to the figures
// that the whole of it gives: on busy pools, where it matters.
func TestBackfillShortensWaits(t *testing.T) {
	for _, c := range []struct {
		workload    string
		scheduling  string
		pool        int
		load        float64
		mean, worst float64 // at most this share of fifo's, over the seeds
		makespan    float64 // at most this share of fifo's
	}{
		{"tests", "backfill, learned", 5, 0.9, 1. / 8, 1, 1},
		{"tests", "backfill, learned", 20, 0.9, 1. / 8, 1, 0.9},
		{"tests", "backfill, learned", 20, 1.2, 1. / 4, 1, 0.8},
		{"independent", "backfill, known", 5, 0.9, 1. / 4, 1, 1},
		{"independent", "backfill, known", 20, 0.9, 1. / 8, 1, 0.9},
		{"independent", "backfill, constant", 20, 0.9, 1. / 4, 1.75, 0.9}, // who is wrong about everybody delays some
	} {
		t.Run(fmt.Sprint(c.workload, ",", c.scheduling, ",", c.pool, ",", c.load), func(t *testing.T) {
			t.Parallel()
			rows, err := Rows(Options{Workloads: []string{c.workload}, Schedulings: []string{"fifo", c.scheduling}, Pools: []int{c.pool}, Loads: []float64{c.load}, Seeds: 3, Jobs: 2000})
			if err != nil {
				t.Fatal(err)
			}
			fifo, got := &rows[0], &rows[1]
			share := func(what string, figure func(*Summary) float64, limit float64) {
				var f, g float64
				for i := range fifo.Runs {
					f, g = f+figure(&fifo.Runs[i]), g+figure(&got.Runs[i])
				}
				if g > limit*f {
					t.Errorf("%s on %s, pool %d, load %.1f: %s is %.3f of fifo's, want at most %.3f", c.scheduling, c.workload, c.pool, c.load, what, g/f, limit)
				}
			}
			share("mean wait", func(s *Summary) float64 { return s.All.Mean.Seconds() }, c.mean)
			share("worst wait", func(s *Summary) float64 { return s.All.Max.Seconds() }, c.worst)
			share("makespan", func(s *Summary) float64 { return s.Makespan.Seconds() }, c.makespan)
		})
	}
}

// TestNobodyIsDelayedBeyondTheBound holds every job of every workload against what
// the scheduler promises: once everything older is gone, it starts; those let past
// it put that off by three times its wait until then, or a minute, and the longest
// hold.
func TestNobodyIsDelayedBeyondTheBound(t *testing.T) {
	for _, w := range Workloads() {
		for _, s := range Schedulings() {
			if s.Policy == Greedy {
				continue
			}
			for seed := range uint64(2) {
				jobs := w.Jobs(5, 600, 1.2, seed+10)
				if s.Prepare != nil {
					s.Prepare(jobs)
				}
				out, err := Run(jobs, s.Policy, seed)
				if err != nil {
					t.Fatal(err)
				}
				checkBound(t, w.Name+" under "+s.Name, jobs, out, s.Policy)
			}
		}
	}
}

func checkBound(t *testing.T, name string, jobs []Job, out []Outcome, p lockcore.QueuePolicy) {
	t.Helper()
	longest := jobs[0].Hold
	for _, j := range jobs {
		longest = max(longest, j.Hold)
	}
	rank := func(i int) float64 { return out[i].Arrived.Minutes() - float64(jobs[i].Priority) }
	for i := range jobs {
		older := out[i].Arrived
		for k := range jobs {
			first := cmp.Or(cmp.Compare(rank(k), rank(i)), cmp.Compare(k, i)) < 0
			if first || out[k].Arrived+out[k].Waited < out[i].Arrived {
				older = max(older, out[k].End(jobs[k]))
			}
		}
		last := older
		if p == lockcore.Backfill {
			last += max(1e9*60, 3*(older-out[i].Arrived)) + longest
		}
		if start := out[i].Arrived + out[i].Waited; start > last {
			t.Errorf("%s: job %d came at %s, everything older was gone at %s, and it started at %s instead of %s", name, i, out[i].Arrived, older, start, last)
		}
	}
}
