package eventlog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNoSink(t *testing.T) {
	var none *fileSink
	for _, s := range []Sink{nil, none} {
		func() {
			defer func() { assert.Contains(t, fmt.Sprint(recover()), "eventlog: NewWriter was given no sink") }()
			NewWriter(s, RunInfo{})
		}()
	}
}
