package redisstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// stage is a server in a bubble.
func stage(t *testing.T, f func(*testing.T, locktest.Stage)) {
	inBubble(t, func(b bubble) {
		f(b.T, locktest.Stage{
			Open: func(p lockcore.QueuePolicy, delay time.Duration) lockcore.Store {
				return b.open(redisstore.Options{Policy: p, LockDelay: delay})
			},
			Now:    time.Now,
			Pass:   time.Sleep,
			Settle: synctest.Wait,
		})
	})
}

// What the scheduler does in its stories, the scripts do.
func TestStories(t *testing.T) {
	locktest.TestStories(t, "../internal/sched/testdata/stories", stage)
}

// What the scheduler does at random, the scripts do.
func TestTraces(t *testing.T) {
	locktest.TestTraces(t, stage)
}
