package simulate

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A Forecast compares when a job was expected to be served, as of its arrival, with
// what became of it. Expectations are those that waiters are told; see
// [lockcore.BusyError].
type Forecast struct {
	Job    int           // its index
	Wait   time.Duration // that was expected
	Known  bool          // whether there was an expectation
	Waited time.Duration // that it was
}

// Error is how far the expectation was off, as a share of the wait.
func (f Forecast) Error() float64 {
	return (f.Wait - f.Waited).Abs().Seconds() / f.Waited.Seconds()
}

// Forecasts runs the jobs as [Run] does, and notes of one in every so many, of those
// that have to wait, when it was expected to be served. A forecast costs about as
// much as the rest of a small simulation.
func Forecasts(jobs []Job, policy lockcore.QueuePolicy, seed uint64, every int) ([]Forecast, error) {
	var notes []Forecast
	picks := rand.New(rand.NewPCG(seed, 2)) // apart from the choices of the run, which stay the same
	out, err := run(jobs, policy, seed, func(s *sim, at int64, job int) {
		if picks.IntN(every) > 0 {
			return
		}
		snap := s.state.Snapshot(at, s.rnd)
		start, known := sched.ExpectedStarts(&snap, policy, id(job))[id(job)]
		notes = append(notes, Forecast{Job: job, Known: known, Wait: start.Sub(snap.Time)})
	})
	for i := range notes {
		notes[i].Waited = out[notes[i].Job].Waited
	}
	return notes, err
}

// ExpectedTable runs what the options say, with expectations that are learned, and
// writes one line for each workload, pool and load: of one job in forty that has to
// wait, how many were told when they would be served, and how far that was off, as
// a share of the wait: the median, and what nine of ten stay below.
func ExpectedTable(w io.Writer, o Options) error {
	if err := o.fill(); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "workload\tpool\tload\twaited\ttold\tmedian error\tP90")
	for _, wl := range Workloads() {
		if !slices.Contains(o.Workloads, wl.Name) {
			continue
		}
		for _, n := range o.Pools {
			for _, load := range o.Loads {
				notes := make([][]Forecast, o.Seeds)
				if err := parallel(runtime.GOMAXPROCS(0), o.Seeds, func(i int) (err error) {
					seed := uint64(i + 1)
					notes[i], err = Forecasts(wl.Jobs(n, o.Jobs, load, seed), lockcore.Backfill, seed, 40)
					return err
				}); err != nil {
					return err
				}
				told, median, p90 := errorsOf(slices.Concat(notes...))
				fmt.Fprintf(tw, "%s\t%d\t%.1f\t%d\t%.0f %%\t%.0f %%\t%.0f %%\n", wl.Name, n, load, len(slices.Concat(notes...)), 100*told, 100*median, 100*p90)
			}
		}
	}
	return tw.Flush()
}

// errorsOf is the share that was told an expectation, and of their errors the median
// and the 90th percentile.
func errorsOf(notes []Forecast) (told, median, p90 float64) {
	var errs []float64
	for _, f := range notes {
		if f.Known && f.Waited > 0 {
			errs = append(errs, f.Error())
		}
	}
	if len(errs) == 0 {
		return 0, 0, 0
	}
	slices.Sort(errs)
	return float64(len(errs)) / float64(len(notes)), errs[len(errs)/2], errs[len(errs)*9/10]
}
