package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Config says how a [Store] is to behave. The zero value is ready to use.
type Config struct {
	// Namespace separates pools that share servers. Default "default".
	Namespace string
	// NodeTimeout is how long one server may take to answer before it counts as
	// down. It should be well below the TTL of the leases. Default: a sixth of the
	// TTL, within 250 ms to 2 s. A server that has not answered yet, or failed last
	// time, gets 2 s if that is more.
	NodeTimeout time.Duration
	// LockDelay keeps the keys of a lease that expired (not: was released) aside
	// for this long before this store gives them to somebody else. Default 0.
	LockDelay time.Duration
}

// A Store is a [lockcore.Store] on several independent Redis masters. Make one
// with [New], [Config.New] or [Open]. It is safe for concurrent use; a process
// needs one for each namespace.
type Store struct {
	config Config
	nodes  []*node
	where  string
	owns   bool // the clients are closed with the store

	life context.Context // ends with Close
	end  context.CancelFunc

	background sync.Mutex // guards the two below
	closed     bool
	work       sync.WaitGroup
	jobs       chan func() // to idle goroutines
	idle       atomic.Int32

	mu          sync.Mutex
	duplicate   error // two of the names lead to one server
	view        view
	tickets     map[string]*ticket
	pruneAt     int         // number of tickets at which to look for stale ones
	line        []*ticket   // waiters, by rank
	last        int64       // number of the last attempt
	subscribing bool        // the subscriptions were opened,
	unsubscribe func()      // which this ends
	unused      *time.Timer // since the last waiter has left
	timer       *time.Timer
	due         time.Time                 // when timer fires; zero: it does not run
	unconfirmed map[string]unconfirmedEnd // by lease
	lookAtAll   bool                      // wake all waiters when timer fires
}

var _ lockcore.Store = (*Store)(nil)

// New returns a store on the servers behind the clients, which must be
// independent of each other: no two of them replicas or databases of one server.
// The clients stay the caller's: [Store.Close] does not close them.
//
// Their ContextTimeoutEnabled option should be set, and DialerRetries be 1: then
// a server that hangs costs a connection for the time of [Config.NodeTimeout]
// only.
func New(clients ...redis.UniversalClient) *Store { return Config{}.New(clients...) }

// New is the function [New] with settings.
func (c Config) New(clients ...redis.UniversalClient) *Store {
	names := make([]string, len(clients))
	for i, cl := range clients {
		if v := reflect.ValueOf(cl); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			panic(fmt.Sprintf("quorumstore: client %d of %d is nil", i+1, len(clients)))
		}
		names[i] = fmt.Sprintf("server %d", i+1)
		if one, ok := cl.(*redis.Client); ok {
			names[i] = one.Options().Addr
		}
	}
	return c.build(names, clients)
}

func (c Config) build(names []string, clients []redis.UniversalClient) *Store {
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	s := &Store{config: c, jobs: make(chan func()), tickets: make(map[string]*ticket), pruneAt: 64}
	s.view.servers = make([]leaseTable, len(clients))
	s.life, s.end = context.WithCancel(context.Background())
	prefix := "rtest:{" + c.Namespace + "}:quorum:"
	for i, cl := range clients {
		s.nodes = append(s.nodes, &node{
			index: i, name: names[i], client: cl, channel: prefix + "ended",
			keys: []string{prefix + "held", prefix + "endings"}, recovered: make(chan struct{}, 1),
		})
	}
	s.where = fmt.Sprintf("redlock://%s (namespace %s)", strings.Join(names, ","), c.Namespace)
	return s
}

// String says where the store is, without a password.
func (s *Store) String() string { return s.where }

// limit is how long one server may take to answer a question about a lease.
func (s *Store) limit(ttl time.Duration) time.Duration {
	if s.config.NodeTimeout > 0 {
		return s.config.NodeTimeout
	}
	return min(max(ttl/6, 250*time.Millisecond), 2*time.Second)
}

// slowLimit is the limit for questions that are not about a lease, and for servers to
// which a connection has to be opened.
const slowLimit = 2 * time.Second

// everyone lists all servers.
func (s *Store) everyone() []int {
	to := make([]int, len(s.nodes))
	for i := range to {
		to[i] = i
	}
	return to
}

// spawn runs f on a goroutine that Close waits for.
//
// Goroutines are kept for the next call for a moment, and begin with a deep stack: a
// client of Redis needs one, and growing it in small steps costs a tenth of a request.
func (s *Store) spawn(f func()) {
	s.background.Lock()
	defer s.background.Unlock()
	if s.closed {
		go f()
		return
	}
	select {
	case s.jobs <- f:
	default:
		s.work.Go(func() { s.serve(f) })
	}
}

// linger is how long goroutines, and the subscriptions, outlive their last use: the
// next one often comes soon. It ends before tests that look for goroutines at their end
// run out of patience, which is half a second.
const linger = 200 * time.Millisecond

// serve runs f, and then what spawn is called for next, unless too many goroutines
// are idle already, or nothing comes.
func (s *Store) serve(f func()) {
	deepen(0)
	patience := time.NewTimer(linger)
	defer patience.Stop()
	for {
		f()
		if s.idle.Add(1) > int32(2*len(s.nodes)) {
			s.idle.Add(-1)
			return
		}
		patience.Reset(linger)
		select {
		case f = <-s.jobs:
			s.idle.Add(-1)
		case <-patience.C:
			s.idle.Add(-1)
			return
		case <-s.life.Done():
			return
		}
	}
}

// deepen makes the goroutine's stack grow at once.
//
//go:noinline
func deepen(i int) byte {
	var frame [12 << 10]byte
	frame[i] = byte(i)
	return frame[len(frame)-1-i]
}

// closeWait bounds how long Close waits for servers that do not answer.
const closeWait = 500 * time.Millisecond

// Close ends the subscriptions, waits a moment for what is on its way, and
// closes the clients if [Open] made them. Leases stay as they are.
func (s *Store) Close() error {
	s.background.Lock()
	if s.closed {
		s.background.Unlock()
		return nil
	}
	s.closed = true
	s.background.Unlock()
	s.end()
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() { s.work.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(closeWait):
	}
	if !s.owns {
		return nil
	}
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, n.client.Close())
	}
	return errors.Join(errs...)
}

// quorumError says that too few servers could be asked, and why.
type quorumError struct {
	answered, servers int
	causes            []string
}

func (e *quorumError) Error() string {
	need := majority(e.servers)
	return fmt.Sprintf("redlock: %d of %d servers answered and it takes %d: mend %d of these: %s: %v",
		e.answered, e.servers, need, max(1, need-e.answered), strings.Join(e.causes, "; "), lockcore.ErrNoQuorum)
}

func (e *quorumError) Unwrap() error { return lockcore.ErrNoQuorum }

// noQuorum words the failures of servers, by index; nil for those that answered.
func (s *Store) noQuorum(errs []error) error {
	e := &quorumError{answered: len(errs), servers: len(s.nodes)}
	for i, err := range errs {
		if err != nil {
			e.answered--
			e.causes = append(e.causes, s.nodes[i].name+": "+err.Error())
		}
	}
	if len(s.nodes) == 0 {
		e.causes = []string{"the store was made without any"}
	}
	return e
}

// jitter draws a duration from [d/2, d]: rivals that failed at the same time should
// try again at different times.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
}
