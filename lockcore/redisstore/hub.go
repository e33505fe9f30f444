package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// hub listens on the one channel of a process and wakes its waiting tickets.
//
// Messages are hints: a waiter that is not woken asks at its next poll. So a lost
// message costs a heartbeat at most, and after a break of the connection
// everybody asks at once.
type hub struct {
	client  redis.UniversalClient
	channel string

	joining chan struct{} // a lock that a context can give up on

	mu      sync.Mutex
	pubsub  *redis.PubSub
	waiters map[string]waiter // by escaped ticket ID
	stop    context.CancelFunc
	done    chan struct{}
	closed  bool
	idle    *time.Timer // since the last waiter has left
}

// linger is how long the subscription outlives the last waiter: the next one often
// comes soon, and needs no round trip then. It ends before tests that look for
// goroutines at their end run out of patience, which is half a second.
const linger = 200 * time.Millisecond

type waiter struct {
	ticket *lockcore.Ticket
	wake   func(*lockcore.Grant)
}

func newHub(client redis.UniversalClient, channel string) *hub {
	return &hub{client: client, channel: channel, joining: make(chan struct{}, 1), waiters: make(map[string]waiter)}
}

func (h *hub) ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pubsub != nil
}

func (h *hub) waits(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.waiters[id]
	return ok
}

// add subscribes and notes whom to wake.
func (h *hub) add(ctx context.Context, id string, t *lockcore.Ticket, wake func(*lockcore.Grant)) error {
	if wake == nil {
		wake = func(*lockcore.Grant) {}
	}
	for {
		if err := h.subscribe(ctx); err != nil {
			return err
		}
		h.mu.Lock()
		subscribed := h.pubsub != nil // it may have ended since, for want of waiters
		if subscribed {
			h.waiters[id] = waiter{t, wake}
		}
		h.mu.Unlock()
		if subscribed {
			return nil
		}
	}
}

func (h *hub) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.waiters[id]; !ok {
		return
	}
	delete(h.waiters, id)
	if len(h.waiters) > 0 || h.closed {
		return
	}
	if h.idle == nil {
		h.idle = time.AfterFunc(linger, h.unsubscribe)
	} else {
		h.idle.Reset(linger)
	}
}

// unsubscribe ends the subscription if nobody waits.
func (h *hub) unsubscribe() {
	h.mu.Lock()
	ps := h.pubsub
	if len(h.waiters) > 0 || h.closed || ps == nil {
		h.mu.Unlock()
		return
	}
	h.pubsub = nil
	h.stop()
	h.mu.Unlock()
	_ = ps.Close() // also ends the Receive under way
}

var errStoreClosed = errors.New("redisstore: the store is closed")

// subscribe makes the subscription, if there is none, and returns when the server has
// confirmed it.
func (h *hub) subscribe(ctx context.Context) error {
	if h.ready() {
		return nil
	}
	select {
	case h.joining <- struct{}{}:
		defer func() { <-h.joining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if h.ready() {
		return nil
	}
	ps, err := h.join(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.Join(errStoreClosed, ps.Close())
	}
	h.pubsub = ps
	done := make(chan struct{})
	h.done = done
	var life context.Context
	life, h.stop = context.WithCancel(context.Background())
	go func() {
		defer close(done)
		h.listen(life, ps)
	}()
	return nil
}

func (h *hub) join(ctx context.Context) (*redis.PubSub, error) {
	ps := h.client.Subscribe(ctx, h.channel)
	for {
		// A context that has no deadline is no reason to wait for ever.
		msg, err := ps.ReceiveTimeout(ctx, silence)
		if err != nil {
			return nil, errors.Join(err, ps.Close())
		}
		if _, ok := msg.(*redis.Subscription); ok {
			return ps, nil
		}
	}
}

// silence is how long the connection may be quiet before it is asked for a sign
// of life; as long again without one, and it is replaced.
const silence = 5 * time.Second

func (h *hub) listen(ctx context.Context, ps *redis.PubSub) {
	asked := false
	for ctx.Err() == nil {
		msg, err := ps.ReceiveTimeout(ctx, silence)
		switch {
		case err == nil:
			asked = false
			h.take(msg)
		case ctx.Err() != nil:
		case isTimeout(err) && !asked:
			asked = ps.Ping(ctx) == nil
		default:
			// The old connection may be half dead, so it is not used again.
			_ = ps.Close()
			if ps = h.rejoin(ctx); ps == nil {
				return
			}
			asked = false
			h.wakeAll()
		}
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// rejoin makes a new subscription, however long that takes.
func (h *hub) rejoin(ctx context.Context) *redis.PubSub {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		ps, err := h.join(ctx)
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			if ctx.Err() != nil { // nobody waits any more
				_ = ps.Close()
				return nil
			}
			h.pubsub = ps
			return ps
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// take handles what came over the connection.
func (h *hub) take(msg any) {
	switch m := msg.(type) {
	case *redis.Subscription:
		// go-redis has reconnected by itself; nobody knows what was missed.
		h.wakeAll()
	case *redis.Message:
		id, g := cutGrant(m.Payload)
		if !strings.Contains(m.Payload, " ") {
			g = nil // it is to ask
		}
		h.mu.Lock()
		w, ok := h.waiters[id]
		h.mu.Unlock()
		if !ok {
			return
		}
		if g != nil {
			g.Ticket = w.ticket
		}
		w.wake(g)
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	all := make([]waiter, 0, len(h.waiters))
	for _, w := range h.waiters {
		all = append(all, w)
	}
	h.mu.Unlock()
	for _, w := range all {
		w.wake(nil)
	}
}

func (h *hub) close() error {
	h.mu.Lock()
	h.closed = true
	if h.idle != nil {
		h.idle.Stop()
	}
	ps, stop, done := h.pubsub, h.stop, h.done
	h.mu.Unlock()
	if done == nil {
		return nil // nobody has ever waited
	}
	stop()
	var err error
	if ps != nil {
		err = ps.Close() // also ends the Receive under way
	}
	<-done
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}
