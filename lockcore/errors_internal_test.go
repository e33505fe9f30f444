package lockcore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDurationsForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1499 * time.Microsecond: "1ms", 250 * time.Millisecond: "250ms", 949 * time.Millisecond: "949ms",
		999 * time.Millisecond: "1s", 1340 * time.Millisecond: "1.3s", time.Minute + 600*time.Millisecond: "1m1s",
	} {
		assert.Equal(t, want, short(d))
	}
}
