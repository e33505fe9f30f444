package redistest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy forwards TCP connections to a server and can be told to be unkind.
// Its settings hold for connections that exist and for those to come; its
// methods are safe for concurrent use.
type Proxy struct {
	Addr string // where clients connect to

	backend  string
	listener net.Listener
	delay    atomic.Int64
	refuse   atomic.Bool
	hole     [2]passage // by direction: to the server, to the client

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
	work  sync.WaitGroup
}

// The directions that [Proxy.Blackhole] swallows.
const (
	ToServer = iota
	ToClient
)

// StartProxy starts a proxy before the address, which ends with the test.
func StartProxy(t testing.TB, backend string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), backend: backend, listener: l, conns: make(map[net.Conn]struct{})}
	p.hole[0].open, p.hole[1].open = closedChan(), closedChan()
	p.work.Go(p.accept)
	t.Cleanup(p.end)
	return p
}

// URL is redis://host:port/0 of the proxy.
func (p *Proxy) URL() string { return "redis://" + p.Addr + "/0" }

// Delay holds back every byte for d, in each direction, in order and without
// limiting the throughput.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Refuse closes every new connection at once, or stops doing so.
func (p *Proxy) Refuse(on bool) { p.refuse.Store(on) }

// Cut closes every connection; new ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Blackhole holds back the bytes of one direction without closing anything, as
// a network does that loses packets. Heal lets go what was held back.
func (p *Proxy) Blackhole(direction int) { p.hole[direction].block() }

// Heal ends every Blackhole.
func (p *Proxy) Heal() {
	p.hole[ToServer].unblock()
	p.hole[ToClient].unblock()
}

// A passage lets traffic through while its channel is closed.
type passage struct {
	mu   sync.Mutex
	open chan struct{}
}

func closedChan() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (g *passage) passing() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *passage) block() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

func (g *passage) unblock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuse.Load() {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.backend)
		if err != nil {
			client.Close()
			continue
		}
		if !p.add(client, server) {
			return
		}
		p.work.Go(func() { p.forward(server, client, ToServer) })
		p.work.Go(func() { p.forward(client, server, ToClient) })
	}
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.ended {
			c.Close()
		} else {
			p.conns[c] = struct{}{}
		}
	}
	return !p.ended
}

// forward copies one direction. Reading and writing are apart, so that a delay
// holds back bytes without holding up those behind them.
func (p *Proxy) forward(to, from net.Conn, direction int) {
	type chunk struct {
		due  time.Time
		data []byte
	}
	chunks := make(chan chunk, 1024)
	over := make(chan struct{}) // the writer has gone
	p.work.Go(func() {
		defer close(over)
		for c := range chunks {
			if d := time.Until(c.due); d > 0 {
				time.Sleep(d)
			}
			if !p.pass(direction) {
				break
			}
			if _, err := to.Write(c.data); err != nil {
				break
			}
		}
		p.drop(to, from)
	})
	defer close(chunks)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case chunks <- chunk{time.Now().Add(time.Duration(p.delay.Load())), buf[:n]}:
			case <-over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until a direction is not blocked, or the proxy ends.
func (p *Proxy) pass(direction int) bool {
	<-p.hole[direction].passing()
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

func (p *Proxy) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.listener.Close()
	p.Cut()
	p.Heal()
	p.work.Wait()
}

// A Counter counts what the connections that it dials do. Its Dial fits
// redis.Options.Dialer.
type Counter struct{ writes atomic.Int64 }

// Dial connects and counts.
func (c *Counter) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c}, nil
}

// Writes is the number of writes to sockets so far.
func (c *Counter) Writes() int64 { return c.writes.Load() }

type countedConn struct {
	net.Conn
	counter *Counter
}

func (c countedConn) Write(p []byte) (int, error) {
	c.counter.writes.Add(1)
	return c.Conn.Write(p)
}
