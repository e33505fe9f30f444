package report

import (
	"math"
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Stat sums up durations.
type Stat struct {
	N     int         `json:"n"`
	Total eventlog.MS `json:"total_ms"`
	P50   eventlog.MS `json:"p50_ms"`
	P95   eventlog.MS `json:"p95_ms"`
	Max   eventlog.MS `json:"max_ms"`
}

// A digest keeps what a Stat needs: the values themselves while they are few,
// else counts in buckets 1 % wide, so that a long log takes no more memory than
// a short one.
type digest struct {
	n          int
	total, max micros
	few        []micros
	counts     []int // by bucket
}

const fewMax = 512

var bucketWidth = math.Log(1.01)

// bucket is the number of the bucket of v: 0 for nothing, then the powers of
// 1.01. The longest wait there is has number 3127.
func bucket(v micros) int {
	if v <= 0 {
		return 0
	}
	return 1 + int(math.Log(float64(v))/bucketWidth)
}

func (d *digest) put(v micros) {
	b := bucket(v)
	if b >= len(d.counts) {
		d.counts = append(d.counts, make([]int, b+1-len(d.counts))...)
	}
	d.counts[b]++
}

func (d *digest) add(v micros) {
	v = max(v, 0)
	d.n++
	d.total += v
	d.max = max(d.max, v)
	if d.counts != nil {
		d.put(v)
		return
	}
	d.few = append(d.few, v)
	if len(d.few) > fewMax {
		for _, v := range d.few {
			d.put(v)
		}
		d.few = nil
	}
}

func (d *digest) stat() Stat {
	s := Stat{N: d.n, Total: d.total.ms(), Max: d.max.ms()}
	q := d.quantiles(50, 95)
	s.P50, s.P95 = q[0].ms(), q[1].ms()
	return s
}

// quantiles are by the nearest rank; percent must ascend.
func (d *digest) quantiles(percent ...int) []micros {
	out := make([]micros, len(percent))
	if d.n == 0 {
		return out
	}
	rank := func(p int) int { return max(1, (d.n*p+99)/100) }
	if d.counts == nil {
		sorted := slices.Sorted(slices.Values(d.few))
		for i, p := range percent {
			out[i] = sorted[rank(p)-1]
		}
		return out
	}
	seen, i := 0, 0
	for b, n := range d.counts {
		seen += n
		for i < len(percent) && seen >= rank(percent[i]) {
			if b > 0 {
				// The middle of the bucket, in the geometric sense.
				out[i] = min(d.max, micros(math.Exp((float64(b)-0.5)*bucketWidth)+0.5))
			}
			i++
		}
	}
	return out
}
