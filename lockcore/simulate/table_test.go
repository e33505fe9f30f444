package simulate

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

var (
	table    = flag.Bool("table", false, "print the whole table; takes minutes")
	asShares = flag.Bool("shares", false, "with -table: compare with fifo and greedy instead of printing seconds")
	asBrief  = flag.Bool("brief", false, "print what the README quotes")
	workload = flag.String("workload", "", "names of the workloads to print, separated by commas; default all")
	seeds    = flag.Int("seeds", 0, "seeds of the printed table; default 5")
)

// TestTable prints the table with -table, or a part of it with -brief, and without
// makes a small one, which has to have a line for everything.
func TestTable(t *testing.T) {
	o := Options{Seeds: *seeds}
	if *workload != "" {
		o.Workloads = strings.Split(*workload, ",")
	}
	if *table || *asBrief {
		print := Table
		switch {
		case *asBrief:
			print = func(w io.Writer, _ Options) error { return brief(w) }
		case *asShares:
			print = shares
		}
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
		{"independent", "backfill, constant", 20, 0.9, 1. / 4, 1, 0.9},
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

func checkBound(t *testing.T, name string, jobs []Job, out []Outcome, p lockcore.Policy) {
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
