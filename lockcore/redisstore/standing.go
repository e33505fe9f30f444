package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// A connection that stands is good as long as it leads to the master:
//
//	1 s   the network cuts the master off from the Sentinels, and not from us
//	6 s   the Sentinels choose another
//	10 s  a lease is renewed: it has to be renewed there
//
// So a Sentinel is asked before a command, and every second while its answer is
// outstanding, unless one was asked less than a second ago. When another master is
// named, the connections to the old one are closed: a command is sent again to the new
// one, a subscription is made again, and whoever waits asks.

// lookAgainAfter is for how long the word of a Sentinel is taken.
const lookAgainAfter = time.Second

// lookLimit is how long a command waits for that word. Without, it goes to where the
// master was.
const lookLimit = lookAgainAfter / 2

// failoverClient is a client of the master that Sentinels name.
type failoverClient struct {
	*redis.Client
	sentinels *sentinels
}

func (c *failoverClient) Close() error { return errors.Join(c.Client.Close(), c.sentinels.close()) }

// look asks for the master, if connections stand and it is time. Where somebody is asking
// just now, it waits for that answer: a command that went to the old master meanwhile
// would be interrupted when the new one is named.
func (s *sentinels) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	now := time.Now()
	s.mu.Lock()
	asking := s.asking
	if asking != nil {
		s.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
		}
		return
	}
	if len(s.conns) == 0 || now.Before(s.due) {
		s.mu.Unlock()
		return
	}
	asking = make(chan struct{})
	s.asking, s.due = asking, now.Add(lookAgainAfter) // one asks for all
	s.mu.Unlock()
	_, _ = s.find(ctx) // without an answer, all stays as it is
	s.mu.Lock()
	s.asking = nil
	s.mu.Unlock()
	close(asking)
}

// lookNext has the next command ask again.
func (s *sentinels) lookNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Now()
}

// during does something that needs the master.
func (s *sentinels) during(ctx context.Context, do func() error) error {
	s.look(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again := time.AfterFunc(lookAgainAfter, func() {
		for ctx.Err() == nil {
			s.look(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(lookAgainAfter):
			}
		}
	})
	defer again.Stop()
	err := do()
	if redis.IsReadOnlyError(err) { // other connections may lead to that replica, too
		s.lookNext()
	}
	return err
}

// DialHook implements [redis.Hook].
func (s *sentinels) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (s *sentinels) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return s.during(ctx, func() error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (s *sentinels) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return s.during(ctx, func() error { return next(ctx, cmds) })
	}
}

// masterConn is a connection to who was the master when it was made.
type masterConn struct {
	net.Conn
	s     *sentinels
	to    string
	ended atomic.Bool
}

// keep remembers the connection until it is closed.
func (s *sentinels) keep(c net.Conn, to string) net.Conn {
	m := &masterConn{Conn: c, s: s, to: to}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[m] = true
	return m
}

func (m *masterConn) Close() error {
	m.s.mu.Lock()
	delete(m.s.conns, m)
	m.s.mu.Unlock()
	return m.Conn.Close()
}

// end has whoever reads fail. TLS is not asked: its farewell waits for the peer.
func (m *masterConn) end() {
	m.ended.Store(true)
	if c, ok := m.Conn.(*tls.Conn); ok {
		_ = c.NetConn().Close()
		return
	}
	_ = m.Conn.Close()
}

// SyscallConn lets the pool of go-redis see that a connection has ended, before it gives
// it to a command. It does not look into TLS, so there it gets nothing to see.
func (m *masterConn) SyscallConn() (syscall.RawConn, error) {
	if m.ended.Load() {
		return nil, net.ErrClosed
	}
	if c, ok := m.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return opaque{}, nil
}

type opaque struct{}

func (opaque) Control(func(uintptr)) error    { return nil }
func (opaque) Read(func(uintptr) bool) error  { return nil }
func (opaque) Write(func(uintptr) bool) error { return nil }
