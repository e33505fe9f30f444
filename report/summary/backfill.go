package summary

import (
	"fmt"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// backfillWords says what backfill brought, in lines of a headline.
func backfillWords(b *report.Backfill) []string {
	if b == nil {
		return nil
	}
	first := fmt.Sprintf("Backfill: %s served early", words.Count(b.Requests, "request"))
	// Counted apart: three requests that are served early may all go past the same one.
	if n := b.Passed.N; n > 0 {
		first += fmt.Sprintf(", past %d that came before and waited up to %s", n, words.Short(b.Passed.Max))
	}
	l := []string{first + "."}
	switch f := b.FIFO; {
	case f == nil: // Fold alone replays nothing; only whatif.FoldAndCompare does
	case f.NoEstimate != "":
		l = append(l, "  What fifo would have meant is not known: "+f.NoEstimate+".")
	default:
		// Without a percentage: FIFO has differences, and not the times that they are a part of.
		s := fmt.Sprintf("  With fifo (estimate) all would have waited %s in all, and the run taken %s", words.Difference(f.Waits.Duration(), 0), words.Difference(f.Makespan.Duration(), 0))
		if n := b.Passed.N; n > 0 && f.Cost > 0 {
			s += fmt.Sprintf("; being passed cost %s, at most %s a request", words.Short(f.Cost), words.Short(f.CostMax))
		} else if n > 0 { // under fifo they would have waited as long, or longer
			s += "; being passed cost nobody anything"
		}
		l = append(l, s+".")
	}
	return l
}
