package simulate

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Scheduling is a policy together with what it is told about the length of
// jobs.
type Scheduling struct {
	Name   string
	Policy lockcore.QueuePolicy
	// Prepare, if set, changes the jobs before the run: what they say they expect,
	// or whether anything can be learned of them. It gets a copy.
	Prepare func([]Job)
}

// Schedulings lists what the tables compare: first come first served, whoever
// fits takes, backfill with expectations that are learned, known exactly, or the
// mean of all; and, as the mark that nobody can reach, whoever fits takes, the
// shortest first, by somebody who knows the future and has no need to be fair.
func Schedulings() []Scheduling {
	return []Scheduling{
		{"fifo", lockcore.FIFO, nil},
		{"greedy", Greedy, nil},
		{"backfill, learned", lockcore.Backfill, nil},
		{"backfill, known", lockcore.Backfill, func(jobs []Job) {
			for i := range jobs {
				jobs[i].Expect = jobs[i].Hold
			}
		}},
		{"backfill, constant", lockcore.Backfill, func(jobs []Job) {
			mean := meanHold(jobs)
			for i := range jobs {
				jobs[i].Expect = mean
			}
		}},
		{"shortest first", Greedy, func(jobs []Job) {
			// A millisecond weighs as much as a minute in line, so holds that differ by
			// seconds are in order in a simulation that lasts for days.
			for i := range jobs {
				jobs[i].Priority = -int(jobs[i].Hold / time.Millisecond)
			}
		}},
	}
}

// meanHold is the mean of the holds.
func meanHold(jobs []Job) time.Duration {
	var sum time.Duration
	for i := range jobs {
		sum += jobs[i].Hold
	}
	return sum / time.Duration(max(len(jobs), 1))
}

// Simulate runs the jobs under the scheduling.
func (s Scheduling) Simulate(jobs []Job, seed uint64) (Summary, error) {
	jobs = slices.Clone(jobs)
	if s.Prepare != nil {
		s.Prepare(jobs)
	}
	out, err := Run(jobs, s.Policy, seed)
	if err != nil {
		return Summary{}, err
	}
	return Summarize(jobs, out), nil
}

// A Summary says how long jobs waited.
type Summary struct {
	All, Small, Big Waits // Small wants one unit, Big at least half of its candidates
	Makespan        time.Duration
	Backfilled      int // jobs
}

// Waits are the figures of a number of jobs.
type Waits struct {
	Jobs                int
	Mean, P50, P95, Max time.Duration
}

// Summarize makes a summary of a run.
func Summarize(jobs []Job, out []Outcome) Summary {
	var s Summary
	var all, small, big []time.Duration
	for i, j := range jobs {
		units, cands := 0, 0
		for r := range j.Requirements {
			units += j.Requirements[r].Units()
			cands += len(j.Requirements[r].Candidates)
		}
		all = append(all, out[i].Waited)
		if units == 1 {
			small = append(small, out[i].Waited)
		}
		if 2*units >= cands {
			big = append(big, out[i].Waited)
		}
		if out[i].Backfilled {
			s.Backfilled++
		}
		s.Makespan = max(s.Makespan, out[i].End(j))
	}
	s.All, s.Small, s.Big = waits(all), waits(small), waits(big)
	return s
}

func waits(d []time.Duration) Waits {
	if len(d) == 0 {
		return Waits{}
	}
	slices.Sort(d)
	var sum time.Duration
	for _, w := range d {
		sum += w
	}
	rank := func(percent int) time.Duration { return d[(len(d)*percent+99)/100-1] }
	return Waits{Jobs: len(d), Mean: sum / time.Duration(len(d)), P50: rank(50), P95: rank(95), Max: d[len(d)-1]}
}

// Options say what [Table] shows. The zero value means the seeds 1 to 5 of 4,000 jobs
// on pools of 5 and 20 at loads of 0.7, 0.9 and 1.2.
type Options struct {
	Workloads   []string // names; all if empty
	Schedulings []string // names; all if empty
	Pools       []int
	Loads       []float64 // shares of the pool that are asked for, from 0.01 to 100
	Seeds       int
	FirstSeed   uint64 // the seeds are this one and those that follow
	Jobs        int
}

// Far below the least load a simulation lasts longer than a Duration, and above the
// greatest all jobs come as good as at once.
const minLoad, maxLoad = 0.01, 100

// fill sets what was left at zero.
func (o *Options) fill() error {
	var workloads, schedulings []string
	for _, w := range Workloads() {
		workloads = append(workloads, w.Name)
	}
	for _, s := range Schedulings() {
		schedulings = append(schedulings, s.Name)
	}
	if err := choose("workload", &o.Workloads, workloads); err != nil {
		return err
	}
	if err := choose("scheduling", &o.Schedulings, schedulings); err != nil {
		return err
	}
	if len(o.Pools) == 0 {
		o.Pools = []int{5, 20}
	}
	if len(o.Loads) == 0 {
		o.Loads = []float64{0.7, 0.9, 1.2}
	}
	o.Seeds, o.FirstSeed, o.Jobs = cmp.Or(o.Seeds, 5), cmp.Or(o.FirstSeed, 1), cmp.Or(o.Jobs, 4000)
	return o.check()
}

// check refuses numbers that no table can be made with.
func (o *Options) check() error {
	for _, n := range o.Pools {
		if n < 1 {
			return fmt.Errorf("simulate: a pool of %d: it has 1 board at least", n)
		}
	}
	for _, load := range o.Loads {
		if !(load >= minLoad && load <= maxLoad) { // this way round for NaN
			return fmt.Errorf("simulate: a load of %v: it is the share of the pool that is asked for, such as 0.9; from %v to %v", load, minLoad, maxLoad)
		}
	}
	if o.Seeds < 0 || o.Jobs < 0 {
		return fmt.Errorf("simulate: %d seeds of %d jobs: have 1 of each at least, or 0 for the default", o.Seeds, o.Jobs)
	}
	return nil
}

// choose checks names against those that there are, and fills in all of them if
// none was chosen.
func choose(what string, names *[]string, known []string) error {
	if len(*names) == 0 {
		*names = known
	}
	for _, n := range *names {
		if !slices.Contains(known, n) {
			return fmt.Errorf("simulate: no %s is called %q: choose from %q", what, n, known)
		}
	}
	return nil
}

// A Row is a line of the table: a scheduling on a workload, over all seeds.
type Row struct {
	Workload   string
	Pool       int
	Load       float64
	Scheduling string
	Runs       []Summary // one a seed
}

// Rows runs what the options say, on all cores. The rows of one workload, pool and
// load stand together, in the order of [Schedulings].
func Rows(o Options) ([]Row, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	var rows []Row
	var run []func(seed uint64) (Summary, error) // by row
	for _, w := range Workloads() {
		if !slices.Contains(o.Workloads, w.Name) {
			continue
		}
		for _, n := range o.Pools {
			for _, load := range o.Loads {
				for _, sch := range Schedulings() {
					if !slices.Contains(o.Schedulings, sch.Name) {
						continue
					}
					rows = append(rows, Row{Workload: w.Name, Pool: n, Load: load, Scheduling: sch.Name, Runs: make([]Summary, o.Seeds)})
					run = append(run, func(seed uint64) (Summary, error) {
						return sch.Simulate(w.Jobs(n, o.Jobs, load, seed), seed)
					})
				}
			}
		}
	}
	err := parallel(runtime.GOMAXPROCS(0), len(rows)*o.Seeds, func(i int) (err error) {
		row, seed := i/o.Seeds, i%o.Seeds
		rows[row].Runs[seed], err = run[row](o.FirstSeed + uint64(seed))
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// parallel calls f for 0 to n-1, begun in this order, so many at a time. After an
// error it begins no more; the error of the least number is returned, whoever was
// faster: all below it had begun.
func parallel(workers, n int, f func(i int) error) error {
	errs := make([]error, n)
	var begun atomic.Int64
	var failed atomic.Bool
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			for !failed.Load() {
				i := int(begun.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = f(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}

// Mean is the mean of a figure over the runs.
func (r *Row) Mean(figure func(*Summary) time.Duration) time.Duration {
	var sum time.Duration
	for i := range r.Runs {
		sum += figure(&r.Runs[i])
	}
	return sum / time.Duration(len(r.Runs))
}

// Table runs what the options say and writes one line for each scheduling: waits
// in seconds, each the mean over the seeds; small requests want one unit, big
// ones at least half of the pool; makespan is when the last job was done.
func Table(w io.Writer, o Options) error {
	rows, err := Rows(o)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "workload\tpool\tload\tscheduling\tmean\tP50\tP95\tmax\tsmall mean\tmax\tbig mean\tmax\tmakespan\tbackfilled")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(tw, "%s\t%d\t%.1f\t%s", r.Workload, r.Pool, r.Load, r.Scheduling)
		for _, figure := range []func(*Summary) time.Duration{
			func(s *Summary) time.Duration { return s.All.Mean },
			func(s *Summary) time.Duration { return s.All.P50 },
			func(s *Summary) time.Duration { return s.All.P95 },
			func(s *Summary) time.Duration { return s.All.Max },
			func(s *Summary) time.Duration { return s.Small.Mean },
			func(s *Summary) time.Duration { return s.Small.Max },
			func(s *Summary) time.Duration { return s.Big.Mean },
			func(s *Summary) time.Duration { return s.Big.Max },
			func(s *Summary) time.Duration { return s.Makespan },
		} {
			fmt.Fprintf(tw, "\t%.0f", r.Mean(figure).Seconds())
		}
		backfilled := 0
		for _, s := range r.Runs {
			backfilled += s.Backfilled
		}
		fmt.Fprintf(tw, "\t%d\n", backfilled/len(r.Runs))
	}
	return tw.Flush()
}
