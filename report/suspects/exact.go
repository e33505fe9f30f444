package suspects

import (
	"math"
	"slices"
	"sync"
)

// A stratum is the runs of one test: n, of which f failed; m of them were with the
// unit, of which a failed.
type stratum struct{ n, f, m, a int }

// informs reports whether the test could have come out otherwise.
func (s stratum) informs() bool { return s.f > 0 && s.f < s.n && s.m > 0 && s.m < s.n }

// tail is the probability that chance puts as many failures with the unit as there
// are, or more, in all strata together. least is the smallest it could have been: with
// all failures that the unit could have had.
func tail(strata []stratum) (p, least float64) {
	// sums[k] is the probability that k failures more than the least possible are
	// with it.
	sums := []float64{1}
	seen, lowest := 0, 0
	for _, s := range strata {
		seen += s.a
		lo, probs := s.distribution()
		lowest += lo
		next := make([]float64, len(sums)+len(probs)-1)
		for i, p := range sums {
			if p == 0 {
				continue
			}
			for j, q := range probs {
				next[i+j] += p * q
			}
		}
		sums = next
	}
	// The small ones first: their sum would vanish beside a large one.
	for k := len(sums) - 1; k >= max(0, seen-lowest); k-- {
		p += sums[k]
	}
	return min(1, p), sums[len(sums)-1]
}

// comparable is how many of the comparisons count in a correction for their number:
// those that could have come out at the level that is left, which few runs cannot.
//
//	1,000 pairs of a test and a board, of which 40 ran often enough: 40 count
func comparable(least []float64, level float64) int {
	least = slices.Sorted(slices.Values(least))
	for k := 1; k < len(least); k++ {
		if least[k] > level/float64(k) { // only the first k could
			return k
		}
	}
	return max(1, len(least))
}

// distribution is that of a, given the sums of its table: lo is the least possible
// value, probs are the probabilities from there on.
func (s stratum) distribution() (lo int, probs []float64) {
	lo, hi := max(0, s.m+s.f-s.n), min(s.m, s.f)
	all := logChoose(s.n, s.m)
	for k := lo; k <= hi; k++ {
		probs = append(probs, math.Exp(logChoose(s.f, k)+logChoose(s.n-s.f, s.m-k)-all))
	}
	return lo, probs
}

// logChoose is the logarithm of the number of ways to take k of n.
func logChoose(n, k int) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n int) float64 {
	if l := logFactorials(); n < len(l) {
		return l[n]
	}
	v, _ := math.Lgamma(float64(n + 1))
	return v
}

// logFactorials are those of small numbers: a comparison needs some thousands.
var logFactorials = sync.OnceValue(func() []float64 {
	l := make([]float64, 4096)
	for n := range l {
		l[n], _ = math.Lgamma(float64(n + 1))
	}
	return l
})
