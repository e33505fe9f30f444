package whatif

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestReplayKnowsThatAProcessHadToConnect has two tests ask before their process has
// reached the store, and a third one of another process be served meanwhile.
func TestReplayKnowsThatAProcessHadToConnect(t *testing.T) {
	e := estimate(t, `
0ms    A@p asks b1 b2 pool=boards
1ms    B@p asks b1 b2 pool=boards
10ms   C@q asks b1 b2 pool=boards
10ms   C@q gets b1
100ms  A@p gets b2
400ms  C@q releases
400ms  B@p gets b1
600ms  A@p releases
2400ms B@p releases
`, WhatIf{})
	assert.InEpsilon(t, e.Recorded.Makespan.Median, e.Replayed.Makespan.Median, tolerance)
}
