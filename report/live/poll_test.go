package live

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A flaky store fails as long as err is set.
type flaky struct {
	lockcore.Store
	err atomic.Value
}

func (f *flaky) Snapshot(ctx context.Context) (lockcore.Snapshot, error) {
	if err, _ := f.err.Load().(error); err != nil {
		return lockcore.Snapshot{}, err
	}
	return f.Store.Snapshot(ctx)
}

// A fake is a poller of a store that is not there.
type fake struct {
	*poller
	mu     sync.Mutex
	looked []time.Time
	says   func(ctx context.Context) (outline string, err error)
}

func newFake(t *testing.T) (*fake, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{}
	f.saying("", nil)
	f.poller = &poller{ctx: ctx, timeout: time.Minute, streams: map[*stream]bool{}, take: func(ctx context.Context) (*state, error) {
		f.mu.Lock()
		f.looked = append(f.looked, time.Now())
		says := f.says
		f.mu.Unlock()
		text, err := says(ctx)
		if err != nil {
			return nil, err
		}
		return &state{listing: &Listing{}, outline: text, at: time.Now()}, nil
	}}
	return f, func() { cancel(); f.work.Wait() }
}

func (f *fake) saying(text string, err error) {
	f.doing(func(context.Context) (string, error) { return text, err })
}

func (f *fake) doing(says func(context.Context) (string, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.says = says
}

// times are the times at which the store was looked at.
func (f *fake) times() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.looked)
}

func TestOneLookASecondHoweverManyLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		for range 30 {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { require.NotNil(t, f.look(t.Context())) })
			}
			all.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		assert.Len(t, f.times(), 3)
	})
}

func TestNoLookWhileNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		var streams []*stream
		for range 200 {
			streams = append(streams, f.subscribe(1000))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		assert.InDelta(t, 11, len(f.times()), 1)
		looked := f.times()
		for i := 1; i < len(looked); i++ {
			assert.GreaterOrEqual(t, looked[i].Sub(looked[i-1]), every)
		}
		for _, s := range streams {
			f.unsubscribe(s)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		before := len(f.times())
		time.Sleep(time.Hour)
		assert.Len(t, f.times(), before)
		// And again, when somebody comes.
		s := f.subscribe(1000)
		time.Sleep(5 * time.Second)
		assert.InDelta(t, before+5, len(f.times()), 1)
		f.unsubscribe(s)
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		s := f.subscribe(1)
		assert.Nil(t, f.subscribe(1), "there is room for one")
		first := <-s.news
		require.NoError(t, first.err)
		f.saying("", errors.New("away"))
		from := len(f.times())
		told := <-s.news
		for told.err == nil {
			told = <-s.news
		}
		assert.NotEqual(t, first.version, told.version)
		assert.NotNil(t, told.listing, "what was seen before stays")
		since := told.errSince
		time.Sleep(time.Minute)
		told = <-s.news
		assert.Equal(t, since, told.errSince)
		looked := f.times()
		var gaps []time.Duration
		for i := from + 1; i < len(looked); i++ {
			gaps = append(gaps, looked[i].Sub(looked[i-1]))
		}
		assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second}, gaps[:5])
		assert.Equal(t, 10*time.Second, gaps[len(gaps)-1])
		f.saying("", nil)
		for told.err != nil {
			told = <-s.news
		}
		f.unsubscribe(s)
	})
}

func TestVersionsChangeWithWhatIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		s := f.subscribe(1)
		defer f.unsubscribe(s)
		a, b := <-s.news, <-s.news
		assert.Equal(t, a.version, b.version)
		f.saying("a holder more", nil)
		c := <-s.news
		for c.outline == "" {
			c = <-s.news
		}
		assert.NotEqual(t, b.version, c.version)
	})
}

// A page does not wait for a store that hangs when there is something to show.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		first := f.look(t.Context())
		f.doing(func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		time.Sleep(2 * time.Second)
		start := time.Now()
		assert.Same(t, first, f.look(t.Context()))
		assert.Equal(t, patience, time.Since(start))
		time.Sleep(time.Minute) // the limit of the look
		assert.ErrorIs(t, f.look(t.Context()).err, context.DeadlineExceeded)
	})
}

// What was just done here is to be seen in the next page, also if a look began before.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, end := newFake(t)
		defer end()
		f.look(t.Context())
		f.saying("done", nil)
		assert.Empty(t, f.look(t.Context()).outline)
		f.soon()
		assert.Equal(t, "done", f.look(t.Context()).outline)
	})
}
