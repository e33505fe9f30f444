package redisstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// stage is a server in a bubble. A story passes whole milliseconds, and a call at a whole
// second sweeps, for which it goes the long way: so this one begins a microsecond later,
// and calls go the short ways.
func stage(t *testing.T, f func(*testing.T, locktest.Stage)) { staged(t, f, time.Microsecond, nil) }

// sweeping is a stage on which every call at a whole second sweeps, and goes the long way.
func sweeping(t *testing.T, f func(*testing.T, locktest.Stage)) { staged(t, f, 0, nil) }

// repeating is a stage on which every call of a script arrives twice, as it does when
// the reply to the first is lost: the second one has the same answer, and changes nothing.
func repeating(t *testing.T, f func(*testing.T, locktest.Stage)) {
	staged(t, f, time.Microsecond, twice{})
}

func staged(t *testing.T, f func(*testing.T, locktest.Stage), begins time.Duration, hook redis.Hook) {
	inBubble(t, func(b bubble) {
		time.Sleep(begins)
		w := wakes{bubble: b}
		f(b.T, locktest.Stage{
			Open: func(p lockcore.QueuePolicy, delay time.Duration) lockcore.Store {
				c := b.client()
				if hook != nil {
					c.AddHook(hook)
				}
				return on(b, c, redisstore.Options{Policy: p, LockDelay: delay})
			},
			Now:  time.Now,
			Pass: time.Sleep,
			Settle: func() {
				synctest.Wait()
				consistent(b, b.server)
				w.settle()
			},
		})
	})
}

// wakes looks before and after every snapshot for leases that it gave: a snapshot serves
// whoever can be served, so it would hide that the call before it has forgotten to. What
// is due at the moment is left to whatever comes next.
type wakes struct {
	bubble
	after  bool // whether a snapshot was made since the last look
	due    bool
	leases []string
}

// settle is called before a snapshot and after it.
func (w *wakes) settle() {
	w.Helper()
	const base = "{rtest:default}:"
	var leases []string
	if w.server.Exists(base + "all") {
		ids, _ := w.server.HKeys(base + "all")
		for _, id := range ids {
			if strings.HasPrefix(id, "!") && strings.HasPrefix(w.server.HGet(base+"all", id), "L ") {
				leases = append(leases, id)
			}
		}
	}
	if w.after {
		for _, id := range leases {
			if !w.due && !slices.Contains(w.leases, id) {
				w.Errorf("%s could be served, and only a snapshot did it", id)
			}
		}
	} else if w.leases, w.due = leases, false; w.server.Exists(base + "due") {
		moments, _ := w.server.SortedSet(base + "due")
		for _, at := range moments {
			w.due = w.due || at <= float64(time.Now().UnixMicro())
		}
	}
	w.after = !w.after
}

// twice sends every call of a script twice, and tells of the second reply.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }
func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" || cmd.Name() == "eval" {
			_ = next(ctx, redis.NewCmd(ctx, cmd.Args()...)) // nobody hears of the first
		}
		return next(ctx, cmd)
	}
}
func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

const stories = "../internal/sched/testdata/stories"

// What the scheduler does in its stories, the scripts do.
func TestStories(t *testing.T) {
	locktest.TestStories(t, stories, stage)
}

// What the scheduler does at random, the scripts do.
func TestTraces(t *testing.T) {
	locktest.TestTraces(t, stage)
}

// Nobody notices whether a list is read in one piece or in many, and whether some
// arguments go in one call or in several.
func TestStoriesInSmallPages(t *testing.T) {
	redisstore.SmallPages(t)
	locktest.TestStories(t, stories, sweeping)
}

func TestTracesInSmallPages(t *testing.T) {
	redisstore.SmallPages(t)
	locktest.TestTraces(t, stage)
}

// Nobody notices whether a call is repeated.
func TestStoriesOfRepeatedCalls(t *testing.T) {
	locktest.TestStories(t, stories, repeating)
}

func TestTracesOfRepeatedCalls(t *testing.T) {
	locktest.TestTraces(t, repeating)
}
