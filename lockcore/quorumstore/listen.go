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

// listen opens the subscriptions, one a server, when the first request waits.
// Store.mu is held.
func (s *Store) listen() {
	if s.subscribing || s.life.Err() != nil {
		return
	}
	s.subscribing = true
	for i := range s.nodes {
		s.spawn(func() { s.subscribe(i) })
	}
}

const (
	quiet             = 5 * time.Second // after which a silent connection is tested
	subscribePause    = 100 * time.Millisecond
	subscribePauseMax = 2 * time.Second
)

// subscribe follows what a server publishes until the store is closed. A message that
// it misses while the connection is down costs waiters the time to their next poll.
func (s *Store) subscribe(i int) {
	n := s.nodes[i]
	for pause := subscribePause; s.life.Err() == nil; pause = min(2*pause, subscribePauseMax) {
		sub := n.client.Subscribe(s.life, n.channel)
		stop := context.AfterFunc(s.life, func() { sub.Close() })
		if s.follow(i, sub) {
			pause = subscribePause
			s.subscribed(i, false)
		}
		stop()
		sub.Close()
		select {
		case <-s.life.Done():
		case <-time.After(jitter(pause)):
		}
	}
}

// follow takes in messages until the connection fails, and reports whether it
// ever worked.
func (s *Store) follow(i int, sub *redis.PubSub) (worked bool) {
	for tested := false; ; {
		msg, err := sub.ReceiveTimeout(s.life, quiet)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && !tested && s.life.Err() == nil:
			tested = true
			if sub.Ping(s.life) != nil {
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
			s.subscribed(i, true)
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
