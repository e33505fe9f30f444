package redisreport

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// ErrClosed is what a Reporter says after Close.
var ErrClosed = errors.New("redisreport: reporter is closed")

// Options adjust a Reporter. The zero value, like nil, gives the defaults.
type Options struct {
	// Timeout bounds each write, and Flush and Close as a whole. Default 2 s.
	Timeout time.Duration
	// Limit bounds the distinct sums kept in memory while Redis is slow; more are
	// dropped and counted. Default 100,000, about 20 MB.
	Limit int
	// OnError, if set, is told of each failed write, from the writing goroutine.
	OnError func(error)
}

// A Reporter adds to the sums. Its methods return at once and are safe for
// concurrent use; all writing is done by one goroutine, which lives only while
// there is something to write. A nil Reporter counts nothing.
type Reporter struct {
	client redis.UniversalClient
	opts   Options

	mu      sync.Mutex
	pending batch
	size    int           // distinct sums in pending
	writing bool          // the writer runs
	taken   uint64        // batches that the writer took,
	done    uint64        // and is done with
	wrote   chan struct{} // closed when done rises
	dropped int64
	err     error // of the last failed write since the last Flush
	closed  bool
}

// New makes a Reporter that writes through client, which stays the caller's to
// close. Connections are made when there is something to write.
func New(client redis.UniversalClient, opts *Options) *Reporter {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		panic("redisreport: New was given no client: it is nil")
	}
	r := &Reporter{client: client, wrote: make(chan struct{})}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Timeout <= 0 {
		r.opts.Timeout = 2 * time.Second
	}
	if r.opts.Limit <= 0 {
		r.opts.Limit = 100_000
	}
	return r
}

// LockRequested counts a request. Call it once, with all its candidates.
func (r *Reporter) LockRequested(cs ...lockcore.Candidate) {
	r.add(cs, map[Aspect]amount{RequestCount: {n: 1}})
}

// LockSuccess counts what a request obtained after waiting that long.
func (r *Reporter) LockSuccess(waited time.Duration, cs ...lockcore.Candidate) {
	r.add(cs, map[Aspect]amount{AcquireCount: {n: 1}, AcquireWait: {d: max(0, waited)}})
}

// LockFailed counts a request that ended without anything. Call it once, with all
// its candidates, not for each attempt.
func (r *Reporter) LockFailed(cs ...lockcore.Candidate) {
	r.add(cs, map[Aspect]amount{FailCount: {n: 1}})
}

// LockReleased counts what was given back after being held that long.
func (r *Reporter) LockReleased(held time.Duration, cs ...lockcore.Candidate) {
	r.add(cs, map[Aspect]amount{ReleaseCount: {n: 1}, ReleaseWait: {d: max(0, held)}})
}

// add puts the amounts on every tag of every candidate, its key being the tag
// "key" unless the candidate has a tag of that name.
func (r *Reporter) add(cs []lockcore.Candidate, amounts map[Aspect]amount) {
	if r == nil || len(cs) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.dropped += int64(len(cs))
		return
	}
	if r.pending.sums == nil {
		r.pending, r.size = newBatch(), 0
	}
	seen := map[tagValue]bool{}
	for _, c := range cs {
		clear(seen)
		if _, own := c.Tags["key"]; !own && c.Key != "" {
			r.addTag("key", c.Key, amounts, seen)
		}
		for tag, value := range c.Tags {
			r.addTag(tag, value, amounts, seen)
		}
	}
	if !r.writing && len(r.pending.sums) > 0 {
		r.writing = true
		go r.write()
	}
}

// addTag adds to one tag of one candidate. Tags that become the same name, such
// as Model and model, count once.
func (r *Reporter) addTag(tag, value string, amounts map[Aspect]amount, seen map[tagValue]bool) {
	at := tagValue{Sanitise(tag), Sanitise(value)}
	if seen[at] {
		return
	}
	seen[at] = true
	sums := r.pending.sums[at]
	for a, plus := range amounts {
		sum, known := sums[a]
		if !known {
			if r.size >= r.opts.Limit {
				r.dropped++
				continue
			}
			r.size++
			if sums == nil {
				sums = map[Aspect]amount{}
				r.pending.sums[at] = sums
			}
		}
		sums[a] = amount{sum.n + plus.n, sum.d + plus.d}
	}
	if sums != nil {
		r.pending.names[validName(tag)] = true
	}
}

// write sends batches until there is nothing left, then goes. A failed batch is
// not tried again: part of it may have arrived, and a sum that is short is better
// than one that is too high.
func (r *Reporter) write() {
	for {
		r.mu.Lock()
		b := r.pending
		r.pending, r.size = batch{}, 0
		if len(b.sums) == 0 {
			r.writing = false
			r.mu.Unlock()
			return
		}
		r.taken++
		r.mu.Unlock()

		for part := range b.parts() {
			ctx, cancel := context.WithTimeout(context.Background(), r.opts.Timeout)
			lost, err := part.send(ctx, r.client)
			cancel()
			if err != nil {
				r.failed(lost, err)
			}
		}
		r.mu.Lock()
		r.done++
		close(r.wrote)
		r.wrote = make(chan struct{})
		r.mu.Unlock()
	}
}

func (r *Reporter) failed(lost int64, err error) {
	err = fmt.Errorf("redisreport: %d sums were not written: %w", lost, err)
	r.mu.Lock()
	r.dropped += lost
	r.err = err
	r.mu.Unlock()
	if r.opts.OnError != nil {
		r.opts.OnError(err)
	}
}

// Flush waits, at most Timeout, until everything counted so far is in Redis. The
// error says what was lost since the last Flush. Call it when the process may be
// about to end.
func (r *Reporter) Flush() error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Timeout)
	defer cancel()
	return r.flush(ctx)
}

// flush waits for the batch that is pending now, not for the writer to run dry:
// others may go on counting for as long as they like.
func (r *Reporter) flush(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.taken
	if len(r.pending.sums) > 0 {
		last++
	}
	for r.done < last {
		wrote := r.wrote
		r.mu.Unlock()
		select {
		case <-wrote:
			r.mu.Lock()
		case <-ctx.Done():
			r.mu.Lock()
			return fmt.Errorf("redisreport: the last sums were not written within %s: %w", r.opts.Timeout, ctx.Err())
		}
	}
	err := r.err
	r.err = nil
	return err
}

// Close flushes like Flush and drops what is counted later. A second Close
// returns ErrClosed.
func (r *Reporter) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.closed = true
	r.mu.Unlock()
	return r.Flush()
}

// Dropped is how many additions to sums did not get to Redis: because it did not
// answer, because Limit was reached, or because the Reporter was closed.
func (r *Reporter) Dropped() int64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}
