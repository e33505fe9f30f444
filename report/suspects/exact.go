package suspects

import "math"

// A stratum is the runs of one test: n, of which f failed; m of them were with the
// unit, of which a failed.
type stratum struct{ n, f, m, a int }

// informs reports whether the test could have come out otherwise.
func (s stratum) informs() bool { return s.f > 0 && s.f < s.n && s.m > 0 && s.m < s.n }

// tail is the probability that chance puts as many failures with the unit as there
// are, or more, in all strata together.
func tail(strata []stratum) float64 {
	// sums[k] is the probability that k failures more than the least possible are
	// with it.
	sums := []float64{1}
	seen, least := 0, 0
	for _, s := range strata {
		seen += s.a
		lo, probs := s.distribution()
		least += lo
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
	p := 0.0
	for k := len(sums) - 1; k >= max(0, seen-least); k-- {
		p += sums[k]
	}
	return min(1, p)
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
	lg := func(x int) float64 {
		v, _ := math.Lgamma(float64(x + 1))
		return v
	}
	return lg(n) - lg(k) - lg(n-k)
}
