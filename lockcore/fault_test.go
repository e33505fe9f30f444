package lockcore_test

import (
	"context"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// faulty is a store in memory whose calls a test can watch, fail or hold up.
type faulty struct {
	lockcore.Store
	mu       sync.Mutex
	calls    map[string]int
	onAsk    func(n int, t *lockcore.Ticket) error
	onRenew  func(n int, grants []*lockcore.Grant) error
	onEnd    func(n int) error // Release
	change   func(ans *lockcore.Answer)
	wakeWith func(t *lockcore.Ticket) *lockcore.Grant
}

func newFaulty() *faulty {
	return &faulty{Store: memstore.New(nil), calls: make(map[string]int)}
}

// count numbers the calls of a method from 1.
func (f *faulty) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	return f.calls[method]
}

func (f *faulty) made(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

func (f *faulty) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	n := f.count("Ask")
	if f.onAsk != nil {
		if err := f.onAsk(n, t); err != nil {
			return lockcore.Answer{}, err
		}
	}
	if f.wakeWith != nil {
		plain := wake
		wake = func(*lockcore.Grant) { plain(f.wakeWith(t)) }
	}
	ans, err := f.Store.Ask(ctx, t, wake)
	if f.change != nil {
		f.change(&ans)
	}
	return ans, err
}

func (f *faulty) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	n := f.count("Renew")
	if f.onRenew != nil {
		if err := f.onRenew(n, grants); err != nil {
			return nil, err
		}
	}
	return f.Store.Renew(ctx, grants)
}

func (f *faulty) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	n := f.count("Release")
	if f.onEnd != nil {
		if err := f.onEnd(n); err != nil {
			return err
		}
	}
	return f.Store.Release(ctx, g, keep)
}

// keysOf is a requirement for n of the keys.
func keysOf(n int, keys ...string) lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}

func one(key string) lockcore.Request {
	return lockcore.Request{Requirements: []lockcore.Requirement{keysOf(1, key)}}
}
