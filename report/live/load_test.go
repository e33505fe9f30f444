package live

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// crowd fills a store with n resources that are held and n that wait for them, as a CI
// would name them.
func crowd(t testing.TB, n int) (*Server, lockcore.Store) {
	store := memstore.New(nil)
	var items []Item
	for i := range n {
		items = append(items, Item{Key: fmt.Sprintf("board-%04d", i), Pool: "boards", Tags: map[string]string{"fw": "4"}})
	}
	owner := func(i int) lockcore.Owner {
		return lockcore.Owner{Test: fmt.Sprintf("TestPairing/radio_%04d", i), Package: "example.com/lab/radio", Host: "runner-17", PID: 10000 + i, Run: fmt.Sprint("run-", i%20), URL: fmt.Sprintf("https://ci.example.com/job/%d", i)}
	}
	for i := range n {
		_, err := store.Ask(t.Context(), &lockcore.Ticket{ID: fmt.Sprintf("HOLDER%020d", i), Requirements: each(items[i].Key), Owner: owner(i), TTL: time.Hour, Expect: time.Minute, Reason: "night run"}, nil)
		require.NoError(t, err)
	}
	pool := lockcore.Requirement{Name: "boards", Need: 2}
	for _, i := range items[:min(n, 50)] {
		pool.Candidates = append(pool.Candidates, lockcore.Candidate{Key: i.Key})
	}
	for i := range n {
		_, err := store.Ask(t.Context(), &lockcore.Ticket{ID: fmt.Sprintf("WAITER%020d", i), Requirements: []lockcore.Requirement{pool}, Owner: owner(i), TTL: time.Hour, Wait: true, Reason: "night run"}, func(*lockcore.Grant) {})
		require.NoError(t, err)
	}
	s, err := New(store, Options{Zone: time.UTC, Items: nil})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, store
}

func ask(s *Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	s.ServeHTTP(w, r)
	return w
}

// A thousand of each are less than a megabyte.
func TestSize(t *testing.T) {
	s, _ := crowd(t, 1000)
	page := ask(s, "/").Body.String()
	assert.Contains(t, page, "1000 held, 0 free; 1000 waiting.")
	assert.Equal(t, 2000, strings.Count(page, "<tr data-k="))
	assert.Less(t, len(page), 1_000_000)
	t.Logf("%d bytes", len(page))
}

// BenchmarkPage makes the page of a thousand resources and a thousand waiters anew,
// without the look at the store, and with it.
func BenchmarkPage(b *testing.B) {
	s, _ := crowd(b, 1000)
	b.Run("page", func(b *testing.B) {
		for i := range b.N {
			if w := ask(s, fmt.Sprint("/?n=", i)); w.Code != 200 {
				b.Fatal(w.Code)
			}
			s.poll.now.pages = newCache()
		}
	})
	b.Run("look", func(b *testing.B) {
		for range b.N {
			if _, err := s.take(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Two hundred pages that follow the store cost it as many commands as one.
func TestManyPagesCostTheStoreWhatOneCosts(t *testing.T) {
	redis := redistest.Start(t)
	store, err := storeurl.Open(t.Context(), "redis://"+redis.Addr)
	require.NoError(t, err)
	defer store.Close()
	l := newLabOn(t, store, Options{})
	l.hold("TestBoot", "b1")
	calls := func() (n int) {
		for _, line := range strings.Split(fmt.Sprint(redis.Do("INFO", "commandstats")), "\n") {
			name, rest, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
			count, _, _ := strings.Cut(rest, ",")
			if ok && name != "cmdstat_info" {
				var c int
				_, err := fmt.Sscan(count, &c)
				require.NoError(t, err)
				n += c
			}
		}
		return n
	}
	// cost counts the commands, and the looks, while so many pages follow the store and
	// are loaded again after each look.
	cost := func(pages int, least uint64) (commands int, looks uint64) {
		p := l.server.poll
		p.work.Wait() // nobody looks
		_, from, _, _ := p.figures()
		before := calls()
		var streams []*stream
		for range pages {
			streams = append(streams, p.subscribe(1000))
		}
		for now := from; now < from+least; _, now, _, _ = p.figures() {
			<-streams[0].news
			for range pages {
				l.page("/")
			}
		}
		for _, s := range streams {
			p.unsubscribe(s)
		}
		p.work.Wait()
		_, to, _, _ := p.figures()
		return calls() - before, to - from
	}
	cost(1, 1) // opens connections
	one, oneLooks := cost(1, 2)
	many, manyLooks := cost(200, 2)
	t.Logf("%d commands in %d looks for one page, %d in %d for 200", one, oneLooks, many, manyLooks)
	assert.Equal(t, one*int(manyLooks), many*int(oneLooks))
}

// pipes is a listener whose connections have no buffer: a client that does not read
// blocks its server at once.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// Clients that are slow, on purpose or not, lose their connections.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(memstore.New(nil), Options{})
		require.NoError(t, err)
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: s}
		s.Harden(server)
		go func() { _ = server.Serve(l) }()
		ends := func(c net.Conn) time.Duration {
			start := time.Now()
			_, _ = io.Copy(io.Discard, c)
			return time.Since(start)
		}
		write := func(c net.Conn, text string) {
			_, err := io.WriteString(c, text)
			require.NoError(t, err)
		}

		c := l.dial() // headers, one by one
		write(c, "GET / HTTP/1.1\r\nHost: localhost\r\n")
		assert.LessOrEqual(t, ends(c), 6*time.Second)

		c = l.dial() // a body that does not come
		write(c, "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ntoken=")
		assert.LessOrEqual(t, ends(c), 80*time.Second)

		c = l.dial() // one that sends nothing at all
		assert.LessOrEqual(t, ends(c), time.Minute+6*time.Second)

		c = l.dial() // a stream that nobody reads
		write(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(2 * sendTimeout)
		_, _, _, streams := s.poll.figures()
		assert.Zero(t, streams)
		c.Close()

		c = l.dial() // one that is read ends some time, and its end is no error
		write(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		start := time.Now()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		text, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, streamLasts, time.Since(start).Round(time.Second))
		assert.InDelta(t, streamLasts.Seconds(), strings.Count(string(text), "event: look"), 3)
		c.Close()

		s.Close()
		server.Close()
		synctest.Wait()
	})
}

func TestTooManyStreams(t *testing.T) {
	l := newLab(t, Options{StreamsMost: 1})
	st := l.server.poll.subscribe(1)
	w := l.get("/events")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "30", w.Header().Get("Retry-After"))
	l.server.poll.unsubscribe(st)
}

// Whatever a request is made of, nothing is done without right, and nothing breaks.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/resource?key=a", "localhost", "X-Forwarded-User", "anna", "")
	f.Add("POST", "/free", "127.0.0.1", "Cookie", "rtest_session=a.b.c.d.e", "csrf=x&key=board-1&force=yes")
	f.Add("POST", "/login", "localhost", "Content-Type", "application/x-www-form-urlencoded", "token=%ff")
	f.Add("GET", "/?q=%ff&refresh=-1", "[::1]", "Origin", "null", "")
	f.Add("GET", "//evil.example.com/%2e%2e", "localhost", "Sec-Fetch-Site", "cross-site", "")
	f.Add("GET", "/history?window=week", "localhost", "Accept", "x", "")
	store := memstore.New(nil)
	if _, err := store.Ask(f.Context(), &lockcore.Ticket{ID: "H", Requirements: each("board-1"), TTL: time.Hour, Owner: lockcore.Owner{Test: "TestBoot"}}, nil); err != nil {
		f.Fatal(err)
	}
	record := &register{}
	s, err := New(store, Options{Access: &Access{TokenFile: tokens(f), Record: record.record}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, method, target, host, header, value, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || target == "/events" || u.Path == "/events" || strings.ContainsAny(method, " \r\n") || method == "" {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: host, RemoteAddr: "192.0.2.1:1", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{http.CanonicalHeaderKey(header): {value}}, Body: io.NopCloser(strings.NewReader(body))}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(t.Context()))
		if to := w.Header().Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "://") || w.Code == http.StatusSeeOther && to != "./" {
			t.Fatalf("%s %s leads to %q", method, target, to)
		}
		if strings.Contains(w.Header().Get("Content-Type"), "html") && strings.Contains(strings.ToLower(w.Body.String()), "<script>") {
			t.Fatal(w.Body.String())
		}
		if record.list() != "" {
			t.Fatal(record.list())
		}
	})
}
