package whatif

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestOutsideKnowsWhoWaitersSaw has people and jobs without events in the way, which
// only waiters tell of.
func TestOutsideKnowsWhoWaitersSaw(t *testing.T) {
	for name, sees := range map[string]string{
		"a job without events":            "b1:Stranger!",
		"a person's reservation":          "b1:Ann!:reserved:50s",
		"out of service without a reason": "b1:Ann!:disabled",
		"a holder of another kind":        "b1:Python!:foreign",
	} {
		e := estimate(t, `
0s   Other@o asks c
0s   Other@o gets c
1s   Other@o releases
2s   A@a asks b1 pool=boards
3s   A@a sees `+sees+`
50s  A@a gets b1
60s  A@a releases
`, WhatIf{Add: []string{"boards=1"}})
		assert.Equal(t, 60*time.Second, e.Replayed.Makespan.Median, name)
		assert.Equal(t, 48*time.Second, e.Replayed.Waited.Median, name)
		assert.Equal(t, 12*time.Second, e.Changed.Makespan.Median, name)
	}
}

// TestOutsideKnowsWhatFailed has Prepare fail for a board, which is out of service
// until somebody else is given it.
func TestOutsideKnowsWhatFailed(t *testing.T) {
	schedule := `
0s   Other@o asks b1 b2 pool=boards
0s   Other@o gets b2
1s   A@a asks b1 b2 pool=boards
1s   A@a gets b1
3s   A@a fails b1 prepare=2s no carrier
3s   A@a releases prepare=2s
3s   A@a asks again b1 b2 pool=boards
20s  Other@o releases
20s  A@a gets b2
30s  A@a releases
31s  B@b asks b1 pool=boards
60s  B@b gets b1
70s  B@b releases
`
	e := estimate(t, schedule, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 70*time.Second, e.Replayed.Makespan.Median)
	assert.Equal(t, 46*time.Second, e.Replayed.Waited.Median, "A 17 s, as recorded, without the 2 s of Prepare; B 29 s")
	assert.Equal(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median)
	assert.Equal(t, 29*time.Second, e.Changed.Waited.Median, "A has the new board at once; b1 stays out of service for B")
}
