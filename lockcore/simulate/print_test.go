package simulate

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// brief prints the part of the table that the README quotes, as Markdown.
func brief(w io.Writer, _ Options) error {
	rows, err := Rows(Options{Workloads: []string{"tests"}, Schedulings: []string{"fifo", "greedy", "backfill, learned"}, Pools: []int{5}, Loads: []float64{0.9}})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "| | mean wait | longest wait | mean wait for half of the boards or more | all is done after |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- |")
	for i, name := range []string{"first come, first served", "locks that are polled", "backfill, learned"} {
		r := &rows[i]
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", name,
			minutes(r.Mean(func(s *Summary) time.Duration { return s.All.Mean })),
			minutes(r.Mean(func(s *Summary) time.Duration { return s.All.Max })),
			minutes(r.Mean(func(s *Summary) time.Duration { return s.Big.Mean })),
			minutes(r.Mean(func(s *Summary) time.Duration { return s.Makespan })))
	}
	return nil
}

// minutes is a duration for people.
func minutes(d time.Duration) string {
	m := int(d.Round(time.Minute).Minutes())
	if m < 60 {
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d h %02d", m/60, m%60)
}

// shares prints what each scheduling brings: how many times shorter the mean wait
// is than fifo's, what share the longest wait is of fifo's and the makespan of
// greedy's, all over the sums of the seeds; and for how many seeds each is within
// the mark of the workload, if it has marks.
func shares(w io.Writer, o Options) error {
	o.Schedulings = nil // all: two of them are what the others are compared with
	if err := o.fill(); err != nil {
		return err
	}
	fmt.Fprintln(w, "workload     pool load scheduling          mean/  longest  makespan  seeds within the marks")
	for _, wl := range Workloads() {
		if !slices.Contains(o.Workloads, wl.Name) {
			continue
		}
		all := make([]tally, len(o.Schedulings))
		for _, n := range o.Pools {
			// Piece by piece: a table that is cut short shows what there is of it.
			piece := o
			piece.Workloads, piece.Pools = []string{wl.Name}, []int{n}
			rows, err := Rows(piece)
			if err != nil {
				return err
			}
			for block := range slices.Chunk(rows, len(all)) {
				compare(w, block, wl.marks, all)
			}
		}
		for i := 1; i < len(all) && wl.marks != (marks{}); i++ {
			fmt.Fprintf(w, "%-12s all       %-45s  %s\n", wl.Name, o.Schedulings[i], all[i].text(wl.marks))
		}
	}
	return nil
}

// compare prints the rows of one workload, pool and load, and adds to the tallies.
func compare(w io.Writer, block []Row, m marks, all []tally) {
	fifo, greedy := &block[0], &block[1]
	for i := 1; i < len(block); i++ {
		r := &block[i]
		here := count(r, fifo, greedy, m)
		all[i].add(here)
		fmt.Fprintf(w, "%-12s %-4d %.1f  %-18s %6.1f  %7.2f  %8.3f  %s\n", r.Workload, r.Pool, r.Load, r.Scheduling,
			ratio(fifo, r, meanWait), ratio(r, fifo, longestWait), ratio(r, greedy, makespan), here.text(m))
	}
}

// learned prints what learned expectations bring: the mean wait as a share of greedy's,
// and how many times shorter than fifo's it is; the longest wait as a share of fifo's, and
// for how many seeds it exceeds that; the makespan as a share of greedy's; and how many
// times shorter than greedy's, and than fifo's, the mean of requests for half of the pool
// or more is. All are of the sums over the seeds.
func learned(w io.Writer, o Options) error {
	o.Schedulings = []string{"fifo", "greedy", "backfill, learned"}
	if err := o.fill(); err != nil {
		return err
	}
	fmt.Fprintln(w, "workload     pool load  mean         longest    makespan  half of the pool")
	for _, wl := range o.Workloads {
		for _, n := range o.Pools {
			piece := o
			piece.Workloads, piece.Pools = []string{wl}, []int{n}
			rows, err := Rows(piece)
			if err != nil {
				return err
			}
			for block := range slices.Chunk(rows, len(o.Schedulings)) {
				fifo, greedy, r := &block[0], &block[1], &block[2]
				longer := len(r.Runs) - count(r, fifo, greedy, marks{longest: 1}).longest
				fmt.Fprintf(w, "%-12s %-4d %.1f   %.2f %5.1f   %.2f %3d   %.3f     %.2f %4.1f\n", r.Workload, r.Pool, r.Load,
					ratio(r, greedy, meanWait), ratio(fifo, r, meanWait), ratio(r, fifo, longestWait), longer, ratio(r, greedy, makespan),
					ratio(greedy, r, meanOfBig), ratio(fifo, r, meanOfBig))
			}
		}
	}
	return nil
}

// ratio is what a figure of a row is of that of another one.
func ratio(r, of *Row, figure func(*Summary) time.Duration) float64 {
	return float64(r.Mean(figure)) / float64(of.Mean(figure))
}

func meanWait(s *Summary) time.Duration    { return s.All.Mean }
func longestWait(s *Summary) time.Duration { return s.All.Max }
func makespan(s *Summary) time.Duration    { return s.Makespan }
func meanOfBig(s *Summary) time.Duration   { return s.Big.Mean }

// A tally says how many seeds are within each of the marks.
type tally struct{ mean, longest, makespan, seeds int }

// count holds every seed of a row against the marks.
func count(r, fifo, greedy *Row, m marks) tally {
	within := func(of *Row, figure func(*Summary) time.Duration, mark float64) (n int) {
		for s := range r.Runs {
			if figure(&r.Runs[s]).Seconds() <= mark*figure(&of.Runs[s]).Seconds() {
				n++
			}
		}
		return n
	}
	return tally{within(fifo, meanWait, m.mean), within(fifo, longestWait, m.longest), within(greedy, makespan, m.makespan), len(r.Runs)}
}

func (t *tally) add(u tally) {
	t.mean += u.mean
	t.longest += u.longest
	t.makespan += u.makespan
	t.seeds += u.seeds
}

// text names the marks that were counted by, or says that there are none.
func (t tally) text(m marks) string {
	if m == (marks{}) {
		return "-"
	}
	return fmt.Sprintf("%d, %d, %d of %d within %v, %v, %v", t.mean, t.longest, t.makespan, t.seeds, m.mean, m.longest, m.makespan)
}
