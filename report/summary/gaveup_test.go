package summary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

// soakAnd has tests ask for the board that Soak has from 5 s to 25 s.
func soakAnd(others string) string {
	return `
0s  First@f asks b1 pool=boards
0s  First@f gets b1
4s  First@f releases
5s  Soak@s asks b1 pool=boards
5s  Soak@s gets b1
` + others + `
25s Soak@s releases
`
}

// TestVerdictTellsOfThoseWhoGaveUp has no finding but that: it says how many, what would
// have served them, and what is a guess.
func TestVerdictTellsOfThoseWhoGaveUp(t *testing.T) {
	for name, c := range map[string]struct{ schedule, want string }{
		"waited in vain": {soakAnd(`
6s  A@a asks b1 pool=boards
7s  B@b asks b1 pool=boards
8s  C@c asks b1 pool=boards
16s A@a quits cause=timeout
17s B@b quits skipped cause=timeout
18s C@c quits cause=timeout`), `
Bottleneck: boards; all 30.0s of waiting was for it, and 3 of 5 requests gave up.
  One more of boards would have served 1 of the 3 that gave up, and saved 10.0s (10.0s to 21.0s) of waiting.
  Soak, holding half as long, would have served 1 of the 3 that gave up, and saved 1.0s (38ms to 2.6s) of waiting.
  A longer wait (RTEST_WAIT), of 57.0s (26.0s to 57.0s), would have served all 3 that gave up; how long they would have held is a guess.
`},
		"did not wait": {soakAnd(`
6s  A@a asks b1 pool=boards
6s  A@a quits cause=busy`), `
Bottleneck: boards; nobody waited for long, and 1 of 3 requests gave up.
  One more of boards would have served the 1 that gave up.
  A longer wait (RTEST_WAIT), of 19.0s (15.8s to 22.9s), would have served the 1 that gave up; how long it would have held is a guess.
`},
		"the others do not wait for long": {`
0s   Long@l asks c
0s   Long@l gets c
0s   Soak@s asks b1 pool=boards
0s   Soak@s gets b1
30s  A@a asks b1 pool=boards
32s  A@a quits cause=timeout
100s Soak@s releases
900s Long@l releases`, `
Bottleneck: boards; all 2.0s of waiting was for it, and 1 of 3 requests gave up.
  One more of boards would have served the 1 that gave up, and saved 2.0s of waiting.
  A longer wait (RTEST_WAIT), of 1m10s (57.5s to 1m24s), would have served the 1 that gave up; how long it would have held is a guess.
`},
		"no wait is known to be long enough": {`
0s  Other@o asks b2
0s  Other@o gets b2
1s  A@a asks b1 pool=boards
2s  A@a sees b1:Ann!:reserved:3600s
11s A@a quits cause=timeout
20s Other@o releases`, `
Bottleneck: boards; all 10.0s of waiting was for it, and 1 of 2 requests gave up.
  One more of boards would have served the 1 that gave up, and saved 10.0s of waiting.
  A longer wait (RTEST_WAIT) would have served none by the last event; what came later, no replay can tell.
  What would help, by causes: shorter reservations, or a talk with those who reserve (rtest-report ls). Most was caused by Ann.
`},
		"no replay": {`
1s  A@a asks b1 pool=boards
2s  A@a sees b1:Other!
11s A@a quits cause=timeout`, `
Bottleneck: boards; all 10.0s of waiting was for it, and 1 of 1 request gave up.
  What would help, by causes: more resources, or shorter holds; or a longer wait (RTEST_WAIT). (No replay: no request in the events was both served and given back.)
`},
	} {
		r, err := whatif.FoldAndCompare(reporttest.Sequence(reporttest.Schedule(t, c.schedule)), report.Options{}, 0)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(c.want), strings.Join(Verdict(r), "\n"), name)
	}
}
