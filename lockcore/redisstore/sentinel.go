package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
)

// sentinels are asked where the master is, for each new connection; standing.go is about
// those that stand.
//
// go-redis has a client for that. It writes about every Sentinel it chose, every master
// it heard of and every failure to the one logger of the whole program, past any dialer
// that it is given: two lines at each start of a test binary, eight when the Sentinels
// are down. The code under test may use that logger, so it is left alone, and the
// Sentinels are asked here. Nor does that need a goroutine between two commands: the
// client of go-redis has some that listen to a Sentinel until it is closed, and whoever
// looks for leaked goroutines finds them.
type sentinels struct {
	master  string // its name
	connect latedial.Func
	open    func(addr string) *redis.SentinelClient
	debug   bool

	mu     sync.Mutex
	all    []*sentinel   // the one that answered last comes first
	from   *sentinel     // who named the master last
	addr   string        // of the master, as last heard
	due    time.Time     // when to ask about connections that stand
	asking chan struct{} // closed when somebody has asked about them; nil: nobody does
	conns  map[*masterConn]bool
}

type sentinel struct {
	*redis.SentinelClient
	addr   string
	listed bool // the others that it knows are in the list
}

func newSentinels(master string, addrs []string, connect latedial.Func, open func(addr string) *redis.SentinelClient) *sentinels {
	s := &sentinels{master: master, connect: connect, open: open, debug: environ.Getenv("RTEST_DEBUG") == "1", conns: make(map[*masterConn]bool)}
	for _, addr := range addrs {
		s.all = append(s.all, &sentinel{SentinelClient: open(addr), addr: addr})
	}
	rand.Shuffle(len(s.all), func(i, j int) { s.all[i], s.all[j] = s.all[j], s.all[i] }) // not all of a lab to the same
	return s
}

func (s *sentinels) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, one := range s.all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// logf writes for somebody who looks for the cause of something.
func (s *sentinels) logf(format string, args ...any) {
	if s.debug {
		log.Printf("redisstore: "+format, args...)
	}
}

// askNextAfter is how long a Sentinel may take before the next is asked as well: one whose
// machine is gone says nothing, and a dial has two seconds for all of them.
const askNextAfter = 100 * time.Millisecond

type answer struct {
	from *sentinel
	addr string
	err  error
}

// find asks one Sentinel after the other for the address of the master.
func (s *sentinels) find(ctx context.Context) (answer, error) {
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(all))
	silent := make(map[*sentinel]bool)
	var errs []error
	for len(errs) < len(all) {
		if len(silent) == 0 {
			silent[s.ask(within, all[len(errs)], answers)] = true
		}
		asked := len(errs) + len(silent)
		var late <-chan time.Time
		if asked < len(all) {
			late = time.After(askNextAfter)
		}
		select {
		case a := <-answers:
			if a.err == nil {
				s.named(ctx, a)
				return a, nil
			}
			delete(silent, a.from)
			s.logf("Sentinel %s: %v", a.from.addr, a.err)
			errs = append(errs, fmt.Errorf("%s: %w", a.from.addr, a.err))
		case <-late:
			silent[s.ask(within, all[asked], answers)] = true
		case <-ctx.Done():
			for one := range silent {
				s.logf("Sentinel %s: no answer", one.addr)
				errs = append(errs, fmt.Errorf("%s: no answer", one.addr))
			}
			return answer{}, s.nobody(append(errs, ctx.Err()))
		}
	}
	return answer{}, s.nobody(errs)
}

func (s *sentinels) nobody(errs []error) error {
	return fmt.Errorf("no Sentinel names a master %q: %w", s.master, errors.Join(errs...))
}

func (s *sentinels) ask(ctx context.Context, one *sentinel, answers chan<- answer) *sentinel {
	go func() {
		addr, err := one.masterAddr(ctx, s.master)
		answers <- answer{one, addr, err}
	}()
	return one
}

func (one *sentinel) masterAddr(ctx context.Context, name string) (string, error) {
	where, err := one.GetMasterAddrByName(ctx, name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", errors.New("it watches no master of this name; SENTINEL MASTERS lists those that it does")
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		// Not as an error of a server: that would be taken for one of the master.
		return "", fmt.Errorf("it wants another password: give sentinel_password, and sentinel_username if it has users (%v)", err)
	case isRefusal(err):
		return "", fmt.Errorf("it refuses: %v", err)
	case err != nil:
		return "", err
	case len(where) != 2:
		return "", fmt.Errorf("it answers %q, want host and port", where)
	}
	return net.JoinHostPort(where[0], where[1]), nil
}

// named notes who answered what, and ends the connections that lead elsewhere: whoever
// uses them, or listens to them, goes to the new master at once.
func (s *sentinels) named(ctx context.Context, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.addr != s.addr {
		s.logf("Sentinel %s names %s as the master %q; before: %q", a.from.addr, a.addr, s.master, s.addr)
	}
	s.from, s.addr, s.due = a.from, a.addr, time.Now().Add(lookAgainAfter)
	s.move(a.from, 0)
	for c := range s.conns {
		if c.to != a.addr {
			c.end()
		}
	}
	if !a.from.listed {
		a.from.listed = true
		s.mu.Unlock()
		others, err := a.from.Sentinels(ctx, s.master).Result()
		s.mu.Lock()
		if err != nil {
			s.logf("Sentinel %s: the others that it knows: %v", a.from.addr, err)
		}
		s.add(others)
	}
}

func (s *sentinels) move(one *sentinel, to int) {
	i := slices.Index(s.all, one)
	s.all = slices.Insert(slices.Delete(s.all, i, i+1), to, one)
}

// add takes Sentinels that the URL may not name: they can outlive those that it does.
func (s *sentinels) add(found []map[string]string) {
	for _, f := range found {
		addr := net.JoinHostPort(f["ip"], f["port"])
		known := slices.ContainsFunc(s.all, func(one *sentinel) bool { return one.addr == addr })
		if !known && f["ip"] != "" && f["port"] != "" {
			s.all = append(s.all, &sentinel{SentinelClient: s.open(addr), addr: addr})
		}
	}
}

// dial makes a connection to the master.
func (s *sentinels) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	a, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.connect(ctx, network, a.addr)
	if err != nil {
		s.logf("master %s: %v", a.addr, err)
		return nil, fmt.Errorf("the master that Sentinel %s names: %w", a.from.addr, err)
	}
	return s.keep(c, a.addr), nil
}

// check refuses a replica, to which a Sentinel leads that has not heard of a fail-over.
// The next attempt asks the others first.
//
// The greeting tells what a server is, to users that may not call ROLE, too. Redis 6.0
// does not repeat it; there the first write fails.
func (s *sentinels) check(ctx context.Context, cn *redis.Conn) error {
	greeting := redis.NewMapStringInterfaceCmd(ctx, "hello")
	_ = cn.Process(ctx, greeting) // the command has the error
	info, err := greeting.Result()
	switch {
	case err != nil && !isRefusal(err):
		return err
	case info["role"] != "replica":
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(s.from, len(s.all)-1)
	refused := replicaError(fmt.Sprintf("Sentinel %s names %s as the master %q, which is a replica", s.from.addr, s.addr, s.master))
	s.logf("%v", refused)
	return refused
}

// replicaError is worth another attempt, which go-redis concludes from its having, and
// not being, a timeout.
type replicaError string

func (e replicaError) Error() string { return string(e) }
func (replicaError) Timeout() bool   { return false }
