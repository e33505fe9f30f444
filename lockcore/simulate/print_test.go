package simulate

import (
	"fmt"
	"io"
	"time"
)

// brief prints the part of the table that the README quotes, as Markdown.
func brief(w io.Writer) error {
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
// greedy's, all over the sums of the seeds; and for how many seeds these are at
// least 8, at most 1 and at most 1.02.
func shares(w io.Writer, o Options) error {
	o.Schedulings = nil // all: two of them are what the others are compared with
	rows, err := Rows(o)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "workload     pool load scheduling          mean/  longest  makespan  seeds that meet 8, 1, 1.02")
	for len(rows) > 0 {
		n := len(Schedulings())
		block := rows[:n]
		rows = rows[n:]
		fifo, greedy := &block[0], &block[1]
		for i := 1; i < n; i++ {
			r := &block[i]
			share := func(of *Row, figure func(*Summary) time.Duration, limit float64) (sum float64, met int) {
				for s := range r.Runs {
					if figure(&r.Runs[s]).Seconds() <= limit*figure(&of.Runs[s]).Seconds() {
						met++
					}
				}
				return float64(r.Mean(figure)) / float64(of.Mean(figure)), met
			}
			mean, short := share(fifo, func(s *Summary) time.Duration { return s.All.Mean }, 1./8)
			longest, fair := share(fifo, func(s *Summary) time.Duration { return s.All.Max }, 1)
			span, dense := share(greedy, func(s *Summary) time.Duration { return s.Makespan }, 1.02)
			fmt.Fprintf(w, "%-12s %-4d %.1f  %-18s %6.1f  %7.2f  %8.3f  %d, %d, %d of %d\n", r.Workload, r.Pool, r.Load, r.Scheduling, 1/mean, longest, span, short, fair, dense, len(r.Runs))
		}
	}
	return nil
}
