package filestore

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A race is processes that take turns for a while, as many as they can.
type race struct {
	took     [][]int64 // how long each turn took, by process
	all      []int64   // the same, sorted
	rate     float64   // turns a second
	cpu      float64   // seconds of processors that were used in a second
	switches float64   // how often a process slept, for each turn
}

// run starts the processes and has them do something: "turns" with the keys of each, or
// one of the floors.
func run(b *testing.B, do string, processes int, lasts time.Duration, keys func(i int) []string) (r race) {
	b.Helper()
	dir := b.TempDir()
	if do == "ring" || do == "ordered" {
		var err error
		if keys, err = makeRing(dir, processes); err != nil {
			b.Fatal(err)
		}
	}
	var cs []*child
	for range processes {
		cs = append(cs, startChild(b, dir))
	}
	from := ticks() + int64(200*time.Millisecond)
	for i, c := range cs {
		o := order{Do: do, Name: do, Dir: dir, From: from, To: from + int64(lasts)}
		if keys != nil {
			o.Keys = keys(i)
		}
		if i == 0 {
			o.Count = 1
		}
		c.send(o)
	}
	var used [2]int64
	for _, c := range cs {
		reply := c.await(do)
		if reply.Error != "" {
			b.Fatal(reply.Error)
		}
		r.took = append(r.took, reply.Took)
		used[0], used[1] = used[0]+reply.Used[0], used[1]+reply.Used[1]
	}
	for _, c := range cs {
		c.kill()
	}
	r.all = slices.Concat(r.took...)
	slices.Sort(r.all)
	r.rate = float64(len(r.all)) / lasts.Seconds()
	r.cpu = float64(used[0]) / float64(lasts)
	r.switches = float64(used[1]) / float64(len(r.all))
	return r
}

// uneven is the most turns of a process against the fewest.
func (r *race) uneven() float64 {
	fewest, most := len(r.all), 0
	for _, t := range r.took {
		fewest, most = min(fewest, len(t)), max(most, len(t))
	}
	return float64(most) / float64(max(1, fewest))
}

func (r *race) quantile(q float64) float64 {
	return float64(r.all[min(len(r.all)-1, int(q*float64(len(r.all))))])
}

func own(i int) []string { return []string{fmt.Sprint("key-", i)} }

// doings are what processes do: the floors, and turns of the store.
var doings = []string{"bare", "ring", "ordered", "turns"}

// BenchmarkProcesses compares what processes get that do nothing but take and
// return a free key of their own: best is the most turns of a process against the
// fewest, longest the longest turn of any against the median of all.
//
// Beside it, in the same run, stand what processes get that only lock, read and write a
// file of that size; see floor. The one that is as fair as the store is the ring, and
// the kernel's lock is not: a fair turn costs a wake-up.
func BenchmarkProcesses(b *testing.B) {
	two := make(map[string]float64)
	for _, n := range []int{2, 20, 50, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const lasts = 2 * time.Second
			for b.Loop() {
				rate := make(map[string]float64)
				for _, do := range doings {
					r := run(b, do, n, lasts, own)
					rate[do] = r.rate
					b.Logf("%3d processes, %7s: %6.0f turns/s, best/worst %.1f, longest/median %.1f, p99 %.2f ms; a turn: %3.0f µs of processors, %.1f sleeps",
						n, do, r.rate, r.uneven(), r.quantile(1)/r.quantile(0.5), r.quantile(0.99)/1e6, r.cpu/r.rate*1e6, r.switches)
					if do == "turns" {
						b.ReportMetric(r.uneven(), "best/worst")
						b.ReportMetric(r.quantile(1)/r.quantile(0.5), "longest/median")
					}
				}
				b.ReportMetric(rate["ordered"]/rate["turns"], "ordered/store")
				b.ReportMetric(0, "ns/op")
				if n == 2 {
					two = rate
				} else {
					for _, do := range doings {
						b.Logf("2 processes against %d, %7s: %.2f times the turns", n, do, two[do]/rate[do])
					}
				}
			}
		})
	}
}

// BenchmarkContended lets processes contend for one key. What the line makes
// necessary is that everybody has a turn before oneself: the number of processes
// times the median time of a hand-over.
func BenchmarkContended(b *testing.B) {
	for _, n := range []int{100, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				r := run(b, "turns", n, 4*time.Second, func(int) []string { return []string{"k"} })
				line := float64(n) / r.rate * 1e9
				b.ReportMetric(r.quantile(0.99)/line, "p99/line")
				b.ReportMetric(r.quantile(0.99)/1e6, "ms-p99")
				b.ReportMetric(r.rate, "turns/s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}
