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
		share := func(of *Row, figure func(*Summary) time.Duration) float64 {
			return float64(r.Mean(figure)) / float64(of.Mean(figure))
		}
		here := count(r, fifo, greedy, m)
		all[i].add(here)
		fmt.Fprintf(w, "%-12s %-4d %.1f  %-18s %6.1f  %7.2f  %8.3f  %s\n", r.Workload, r.Pool, r.Load, r.Scheduling,
			1/share(fifo, meanWait), share(fifo, longestWait), share(greedy, makespan), here.text(m))
	}
}

func meanWait(s *Summary) time.Duration    { return s.All.Mean }
func longestWait(s *Summary) time.Duration { return s.All.Max }
func makespan(s *Summary) time.Duration    { return s.Makespan }

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
