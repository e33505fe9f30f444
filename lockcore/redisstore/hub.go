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
// Messages are hints: whoever is not woken asks at its next poll. So a lost
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
}

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

func (h *hub) add(id string, t *lockcore.Ticket, wake func(*lockcore.Grant)) {
	if wake == nil {
		wake = func(*lockcore.Grant) {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters[id] = waiter{t, wake}
}

func (h *hub) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, id)
}

var errStoreClosed = errors.New("redisstore: the store is closed")

// subscribe makes the subscription, once, and returns when the server has
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
	h.done = make(chan struct{})
	var life context.Context
	life, h.stop = context.WithCancel(context.Background())
	go h.listen(life, ps)
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
	defer close(h.done)
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
			h.pubsub = ps
			h.mu.Unlock()
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
	ps, stop, done := h.pubsub, h.stop, h.done
	h.mu.Unlock()
	if ps == nil {
		return nil
	}
	stop()
	err := ps.Close() // also ends the Receive under way
	<-done
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}
