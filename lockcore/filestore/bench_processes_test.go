package filestore

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// race lets processes take and return keys for a while, and returns how long each
// time took, by process. keys names those of a process.
func race(b *testing.B, processes int, lasts time.Duration, keys func(i int) []string) [][]int64 {
	b.Helper()
	dir := b.TempDir()
	var cs []*child
	for range processes {
		cs = append(cs, startChild(b, dir))
	}
	from := ticks() + int64(200*time.Millisecond)
	for i, c := range cs {
		c.send(order{Do: "turns", Name: "turns", Keys: keys(i), From: from, To: from + int64(lasts)})
	}
	took := make([][]int64, processes)
	for i, c := range cs {
		r := c.await("turns")
		if r.Error != "" {
			b.Fatal(r.Error)
		}
		took[i] = r.Took
	}
	for _, c := range cs {
		c.kill()
	}
	return took
}

func own(i int) []string { return []string{fmt.Sprint("key-", i)} }

// BenchmarkProcesses compares what processes get that do nothing but take and
// return a free key of their own: best is the most turns of a process against the
// fewest, longest the longest turn of any against the median of all. Then the
// turns a second of 20 processes against those of 2.
func BenchmarkProcesses(b *testing.B) {
	perSecond := make(map[int]float64)
	for _, n := range []int{2, 20, 50, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const lasts = 2 * time.Second
			for b.Loop() {
				took := race(b, n, lasts, own)
				slices.SortFunc(took, func(x, y []int64) int { return len(x) - len(y) })
				all := slices.Concat(took...)
				slices.Sort(all)
				perSecond[n] = float64(len(all)) / lasts.Seconds()
				b.ReportMetric(float64(len(took[n-1]))/max(1, float64(len(took[0]))), "best/worst")
				b.ReportMetric(float64(all[len(all)-1])/float64(all[len(all)/2]), "longest/median")
				b.ReportMetric(perSecond[n], "turns/s")
				b.ReportMetric(float64(all[len(all)*99/100])/1e6, "ms-p99")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
	if perSecond[20] > 0 {
		b.Logf("2 processes against 20: %.2f times the turns", perSecond[2]/perSecond[20])
	}
}

// BenchmarkContended lets processes contend for one key. What the line makes
// necessary is that everybody has a turn before oneself: the number of processes
// times the median time of a hand-over.
func BenchmarkContended(b *testing.B) {
	for _, n := range []int{100, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const lasts = 4 * time.Second
			for b.Loop() {
				all := slices.Concat(race(b, n, lasts, func(int) []string { return []string{"k"} })...)
				slices.Sort(all)
				line := float64(lasts) / float64(len(all)) * float64(n)
				b.ReportMetric(float64(all[len(all)*99/100])/line, "p99/line")
				b.ReportMetric(float64(all[len(all)*99/100])/1e6, "ms-p99")
				b.ReportMetric(float64(len(all))/lasts.Seconds(), "turns/s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}
