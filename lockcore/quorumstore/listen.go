package quorumstore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// listen opens the subscriptions, one a server, when a request begins to wait.
// Store.mu is held.
func (s *Store) listen() {
	if s.subscribing || s.life.Err() != nil {
		return
	}
	life, end := context.WithCancel(s.life)
	s.subscribing, s.unsubscribe = true, end
	for i := range s.nodes {
		s.spawn(func() { s.subscribe(life, i) })
	}
}

// hearNoMore has the subscriptions end soon, unless somebody waits again. Store.mu is
// held.
func (s *Store) hearNoMore() {
	if s.unused == nil {
		s.unused = time.AfterFunc(linger, s.stopListening)
	} else {
		s.unused.Reset(linger)
	}
}

// stopListening ends the subscriptions if nobody waits. The next waiter looks anew once
// it is subscribed, so that it misses nothing of what was published meanwhile.
func (s *Store) stopListening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) > 0 || s.unsubscribe == nil {
		return
	}
	s.unsubscribe()
	s.subscribing, s.unsubscribe = false, nil
	for _, n := range s.nodes {
		n.subscribed = false
	}
}

const (
	quiet             = 5 * time.Second // after which a silent connection is tested
	subscribePause    = 100 * time.Millisecond
	subscribePauseMax = 2 * time.Second
)

// subscribe follows what a server publishes until life ends. A message that it misses
// while the connection is down costs waiters the time to their next poll.
func (s *Store) subscribe(life context.Context, i int) {
	n := s.nodes[i]
	for pause := subscribePause; life.Err() == nil; pause = min(2*pause, subscribePauseMax) {
		sub := n.client.Subscribe(life, n.channel)
		stop := context.AfterFunc(life, func() { sub.Close() })
		if s.follow(life, i, sub) {
			pause = subscribePause
			s.subscribed(life, i, false)
		}
		stop()
		sub.Close()
		select {
		case <-life.Done():
		case <-time.After(jitter(pause)):
		}
	}
}

// follow takes in messages until the connection fails, and reports whether it
// ever worked.
func (s *Store) follow(life context.Context, i int, sub *redis.PubSub) (worked bool) {
	for tested := false; ; {
		msg, err := sub.ReceiveTimeout(life, quiet)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && !tested && life.Err() == nil:
			tested = true
			if sub.Ping(life) != nil {
				return worked
			}
			continue
		case err != nil:
			return worked
		}
		tested = false
		switch m := msg.(type) {
		case *redis.Subscription:
			worked = true
			s.subscribed(life, i, true)
		case *redis.Message:
			text, id, _ := strings.Cut(m.Payload, " ")
			if text == "disabled" {
				s.outOfService(id)
				continue
			}
			if attempt, err := strconv.ParseInt(text, 10, 64); err == nil {
				s.ended(i, id, attempt)
			}
		}
	}
}
