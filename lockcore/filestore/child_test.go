package filestore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// The tests of this package need processes that can be killed. A child is this
// test binary started again; it does what it is told by a line of JSON on its
// standard input, and answers by a line on its standard output.

const childEnv = "FILESTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
	case "history":
		historyMain()
		return
	default:
		childMain()
		return
	}
	os.Exit(m.Run())
}

// An order is what a child is told to do.
type order struct {
	Do        string // one of the verbs below
	Name      string // of the lease that it is about
	Dir       string
	Namespace string
	Keys      []string
	Need      int
	TTL       time.Duration
	Count     int
	Try       bool  // not to wait
	From, To  int64 // ticks
}

// A reply is what became of an order.
type reply struct {
	Name  string
	Keys  []string
	Token uint64
	Lost  bool
	PID   int
	Error string
	Spans [][2]int64 // ticks from getting to giving back
	Took  []int64    // by acquiring and giving back, in ns
	Used  [2]int64   // meanwhile; see usage
}

// used notes what was used since.
func (r *reply) used(since [2]int64) {
	now := usage()
	r.Used = [2]int64{now[0] - since[0], now[1] - since[1]}
}

// agent is the state of a child.
type agent struct {
	store  *Store
	locker *lockcore.Locker
	mu     sync.Mutex
	leases map[string]*lockcore.Lease
	out    *json.Encoder
}

func childMain() {
	a := &agent{leases: make(map[string]*lockcore.Lease), out: json.NewEncoder(os.Stdout)}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var o order
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			panic(err)
		}
		if o.Do == "acquire" || o.Do == "reserve" || o.Do == "watch" || o.Do == "loop" || o.Do == "ping" || o.Do == "turns" || o.Do == "bare" || o.Do == "ring" || o.Do == "ordered" {
			go a.obey(o) // they take their time
		} else {
			a.obey(o)
		}
	}
}

func (a *agent) obey(o order) {
	r := reply{Name: o.Name}
	if err := a.do(&o, &r); err != nil {
		r.Error = err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.out.Encode(&r); err != nil {
		os.Exit(1) // the parent is gone
	}
}

func (a *agent) lease(name string) *lockcore.Lease {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.leases[name]
}

func (a *agent) do(o *order, r *reply) (err error) {
	ctx := context.Background()
	switch o.Do {
	case "open":
		if a.store, err = Open(ctx, o.Dir, &Options{Namespace: o.Namespace}); err == nil {
			a.locker = lockcore.New(a.store, &lockcore.Options{Owner: lockcore.Owner{Test: o.Name}})
		}
	case "acquire":
		take := a.locker.Acquire
		if o.Try {
			take = a.locker.TryAcquire
		}
		le, err := take(ctx, lockcore.Request{Requirements: []lockcore.Requirement{some(max(o.Need, 1), o.Keys...)}, TTL: o.TTL, Owner: lockcore.Owner{Test: o.Name}})
		if err != nil {
			return err
		}
		a.mu.Lock()
		a.leases[o.Name] = le
		a.mu.Unlock()
		r.Keys, r.Token = le.Keys(), le.Token()
	case "reserve": // for an hour
		h, err := a.locker.Reserve(ctx, lockcore.Request{Requirements: []lockcore.Requirement{some(max(o.Need, 1), o.Keys...)}, For: time.Hour, Owner: lockcore.Owner{User: o.Name}})
		if err != nil {
			return err
		}
		r.Keys, r.Token = h.Keys(), h.Token
	case "disable":
		_, err = a.locker.Disable(ctx, lockcore.Outage{Keys: o.Keys, Owner: lockcore.Owner{User: o.Name}})
	case "release":
		err = a.lease(o.Name).Release(ctx)
		r.Lost = errors.Is(err, lockcore.ErrLost)
	case "watch": // until the lease is lost
		c := a.lease(o.Name).Context()
		<-c.Done()
		r.Lost = errors.Is(context.Cause(c), lockcore.ErrLost)
	case "crash": // at the next write, after the state and before the header
		a.store.crash = func(string) { die() }
	case "crash after": // when the next write is done, before anybody is called
		a.store.crash = func(where string) {
			if where == "after the header" {
				die()
			}
		}
	case "spawn": // a child of its own, which outlives it
		c := exec.Command("sleep", "600")
		err = c.Start()
		r.PID = c.Process.Pid
	case "exit":
		os.Exit(o.Count)
	case "lock": // the state file, in the middle of a step
		var f file
		if f, err = openFile(a.store.loc.state(), forChange, 0); err == nil {
			_, err = f.tryLock(true)
		}
	case "loop":
		r.Token, err = a.loop(ctx, o)
	case "turns":
		err = a.turns(ctx, o, r)
	case "bare", "ring", "ordered":
		err = a.floor(ctx, o, r)
	case "ping":
		err = a.ping(ctx, o, r)
	default:
		err = limits(o)
	}
	return err
}

func die() {
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Kill()
	select {} // it takes a moment
}

// loop takes and returns keys, and looks through files beside the store whether
// anybody has one of them at the same time.
func (a *agent) loop(ctx context.Context, o *order) (last uint64, err error) {
	for range o.Count {
		le, err := a.locker.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{some(o.Need, o.Keys...)}, Owner: lockcore.Owner{Test: o.Name}})
		if err != nil {
			return last, err
		}
		if le.Token() <= last {
			return last, fmt.Errorf("token %d after %d", le.Token(), last)
		}
		last = le.Token()
		for _, k := range le.Keys() {
			if err := use(o.Dir+"/using-"+k, le.Token()); err != nil {
				return last, err
			}
		}
		if err := le.Release(ctx); err != nil {
			return last, err
		}
	}
	return last, nil
}

// ping takes and returns keys, holding them long enough for the other to be in
// line, and notes when.
func (a *agent) ping(ctx context.Context, o *order, r *reply) error {
	for range o.Count {
		le, err := a.locker.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{some(1, o.Keys...)}})
		if err != nil {
			return err
		}
		got := ticks()
		time.Sleep(time.Millisecond)
		span := [2]int64{got, ticks()}
		if err := le.Release(ctx); err != nil {
			return err
		}
		r.Spans = append(r.Spans, span)
	}
	return nil
}

// turns takes and returns keys from one moment to another, and notes how long each
// time took.
func (a *agent) turns(ctx context.Context, o *order, r *reply) error {
	req := lockcore.Request{Requirements: []lockcore.Requirement{some(1, o.Keys...)}}
	time.Sleep(time.Duration(o.From - ticks()))
	before := usage()
	for start := ticks(); start < o.To; {
		le, err := a.locker.Acquire(ctx, req)
		if err != nil {
			return err
		}
		if err := le.Release(ctx); err != nil {
			return err
		}
		end := ticks()
		r.Took = append(r.Took, end-start)
		start = end
	}
	r.used(before)
	return nil
}

// use makes sure that nobody else uses a thing, by a lock that has nothing to do
// with the store, and that the fencing tokens that the thing sees rise.
func use(path string, token uint64) error {
	f, err := openFile(path, forCreation, 0o600)
	if err != nil {
		return err
	}
	defer f.close()
	if ok, err := f.tryLock(true); !ok || err != nil {
		return fmt.Errorf("%s is used by somebody else (%v)", path, err)
	}
	defer f.unlock()
	var b [20]byte
	n, _ := f.readAt(b[:], 0)
	var before uint64
	if _, err := fmt.Sscan(string(b[:n]), &before); err == nil && before >= token {
		return fmt.Errorf("%s is used with token %d after token %d", path, token, before)
	}
	return f.writeAt(fmt.Appendf(nil, "%020d", token), 0)
}

// some is a requirement for n of the keys.
func some(n int, keys ...string) lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}
