package redisstore_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// fakeSentinel is a Sentinel that says what a test wants.
type fakeSentinel struct {
	addr string

	mu       sync.Mutex
	master   string // empty: it knows none
	password string // that it wants, if any
	silent   bool
	asked    int // for the master
	others   []string
	conns    map[net.Conn]bool
}

func newFakeSentinel(t *testing.T, master string) *fakeSentinel {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newFakeSentinelAt(t, l, master)
}

func newFakeSentinelAt(t *testing.T, l net.Listener, master string) *fakeSentinel {
	o := &fakeSentinel{addr: l.Addr().String(), master: master, conns: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.set(func() { o.conns[c] = true })
			all.Go(func() {
				o.serve(c)
				c.Close()
				o.set(func() { delete(o.conns, c) })
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		o.set(func() {
			for c := range o.conns {
				c.Close()
			}
		})
		all.Wait()
	})
	return o
}

func (o *fakeSentinel) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func (o *fakeSentinel) connected() (n int) {
	o.set(func() { n = len(o.conns) })
	return n
}

// times is how often it was asked for the master.
func (o *fakeSentinel) times() (n int) {
	o.set(func() { n = o.asked })
	return n
}

func (o *fakeSentinel) serve(c net.Conn) {
	in := bufio.NewReader(c)
	known := false
	for {
		words, err := command(in)
		if err != nil {
			return
		}
		o.mu.Lock()
		silent, answer := o.silent, o.answer(words, &known)
		o.mu.Unlock()
		if silent {
			continue
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func (o *fakeSentinel) answer(words []string, known *bool) string {
	bulk := func(words ...string) string {
		s := fmt.Sprintf("*%d\r\n", len(words))
		for _, w := range words {
			s += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
		}
		return s
	}
	name := strings.ToLower(strings.Join(words[:min(2, len(words))], " "))
	switch {
	case strings.HasPrefix(name, "auth "):
		if *known = words[len(words)-1] == o.password; *known {
			return "+OK\r\n"
		}
		return "-WRONGPASS no such user\r\n"
	case !strings.HasPrefix(name, "sentinel "):
		return "-ERR unknown command\r\n"
	case o.password != "" && !*known:
		return "-NOAUTH Authentication required.\r\n"
	case name == "sentinel sentinels":
		s := fmt.Sprintf("*%d\r\n", len(o.others))
		for _, c := range o.others {
			host, port, _ := net.SplitHostPort(c)
			s += bulk("ip", host, "port", port)
		}
		return s
	}
	if o.asked++; o.master == "" || words[2] != "lab" {
		return "*-1\r\n"
	}
	host, port, _ := net.SplitHostPort(o.master)
	return bulk(host, port)
}

// command reads an array of strings.
func command(in *bufio.Reader) (words []string, err error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	for i := 0; i < n && err == nil; i++ {
		var size int
		if size, err = number(); err != nil {
			break
		}
		word := make([]byte, size+2)
		_, err = io.ReadFull(in, word)
		words = append(words, string(word[:size]))
	}
	return words, err
}

func behind(all ...*fakeSentinel) string {
	var addrs []string
	for _, o := range all {
		addrs = append(addrs, o.addr)
	}
	return "redis+sentinel://" + strings.Join(addrs, ",") + "/lab"
}

// tries is how often a store is opened in tests where chance decides which Sentinel
// it asks first.
const tries = 12

// Half of the Sentinels have not heard of a fail-over: what they name is a replica.
func TestStaleSentinelsAreNotBelieved(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Replica(t, master).Addr
	url := behind(newFakeSentinel(t, replica), newFakeSentinel(t, master.Addr), newFakeSentinel(t, master.Addr), newFakeSentinel(t, replica))
	for range tries {
		l := locker(t, openURL(t, url, redisstore.Options{}))
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	}
	url = behind(newFakeSentinel(t, replica), newFakeSentinel(t, replica))
	_, err := locker(t, openURL(t, url, redisstore.Options{})).Acquire(t.Context(), request(time.Minute, of(1, "k")))
	wantHint(t, "stale", err, "names "+replica+` as the master "lab", which is a replica`)
}

// Sentinels whose machines are gone do not keep others from being asked.
func TestSilentSentinelsArePassedBy(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	one, other := newFakeSentinel(t, ""), newFakeSentinel(t, "")
	one.silent, other.silent = true, true
	// In time: a command is given up after five seconds.
	url := behind(one, newFakeSentinel(t, master.Addr), other) + "?read_timeout=1h&max_retries=-1&dial_timeout=5s"
	for range tries {
		l := locker(t, openURL(t, url, redisstore.Options{}))
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	}
	l := locker(t, openURL(t, behind(one, other)+"?max_retries=-1&dial_timeout=300ms", redisstore.Options{}))
	_, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k")))
	wantHint(t, "silent", err, one.addr+": ")
	wantHint(t, "silent", err, other.addr+": ")
}

// Each Sentinel that names no master is named, with its reason.
func TestErrorsOfSentinels(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, "--requirepass", "of-the-master")
	_, port, _ := net.SplitHostPort(master.Addr)
	guarded := newFakeSentinel(t, "localhost:"+port) // Sentinels may name hosts
	guarded.password = "of-the-sentinel"
	unaware := newFakeSentinel(t, "")
	try := func(url string) error {
		l := locker(t, openURL(t, strings.Replace(url, "://", "://:of-the-master@", 1), redisstore.Options{}))
		le, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k")))
		if err == nil {
			release(t, le)
		}
		return err
	}
	err := try(behind(guarded, unaware))
	wantHint(t, "no password", err, guarded.addr+": it wants another password: give sentinel_password")
	wantHint(t, "no master", err, unaware.addr+": it watches no master of this name")
	if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "of-the-") {
		t.Errorf("it takes more than a line, or shows a password: %v", err)
	}
	wantHint(t, "wrong password", try(behind(guarded)+"?sentinel_password=x"), "it wants another password")
	if err := try(behind(guarded, unaware) + "?sentinel_password=of-the-sentinel"); err != nil {
		t.Errorf("the passwords are right: %v", err)
	}
	if err := try(behind(guarded) + "?sentinel_password=of-the-sentinel&sentinel_username=ann"); err != nil {
		t.Errorf("the user is right: %v", err)
	}
}

// Sentinels that the URL does not name are asked when those that it does are gone.
func TestOtherSentinelsAreFound(t *testing.T) {
	t.Parallel()
	old, now := redistest.Start(t), redistest.Start(t)
	named, other := newFakeSentinel(t, old.Addr), newFakeSentinel(t, now.Addr)
	named.others = []string{other.addr, named.addr}
	l := locker(t, openURL(t, behind(named), redisstore.Options{}))
	release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	named.set(func() { named.master = "" })
	old.Kill()
	release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
}

// Sentinels that say nothing do not keep anybody from a master that is well.
func TestSilentSentinelsHoldUpNobody(t *testing.T) {
	t.Parallel()
	o := newFakeSentinel(t, redistest.Start(t).Addr)
	l := locker(t, openURL(t, behind(o)+"?read_timeout=1h", redisstore.Options{}))
	release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	o.set(func() { o.silent = true })
	before := o.times()
	await(t, "a command has asked", func() bool {
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
		return o.times() > before
	})
}

// A lab asks all of its Sentinels, each store the one that has answered it.
func TestStoresShareTheSentinels(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	one, other, unaware := newFakeSentinel(t, master.Addr), newFakeSentinel(t, master.Addr), newFakeSentinel(t, "")
	for range 30 {
		l := locker(t, openURL(t, behind(one, other), redisstore.Options{}))
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	}
	if one.times() == 0 || other.times() == 0 {
		t.Errorf("one was asked %d times, the other %d times", one.times(), other.times())
	}
	var l *lockcore.Locker
	for unaware.times() == 0 { // until chance has it asked first
		l = locker(t, openURL(t, behind(one, unaware), redisstore.Options{}))
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	}
	before := unaware.times()
	for range tries {
		master.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	}
	// On a busy machine it may be asked because the other one is slow.
	if n := unaware.times() - before; n > tries/2 {
		t.Errorf("%d of %d times, who knows nothing was asked first", n, tries)
	}
}

// A store that is closed leaves no connection behind.
func TestConnectionsToSentinelsEndWithTheStore(t *testing.T) {
	t.Parallel()
	o := newFakeSentinel(t, redistest.Start(t).Addr)
	st := openURL(t, behind(o), redisstore.Options{})
	acquire(t, locker(t, st), request(time.Minute, of(1, "k")))
	if o.connected() == 0 {
		t.Error("nobody asked")
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	await(t, "no connection is left", func() bool { return o.connected() == 0 })
}
