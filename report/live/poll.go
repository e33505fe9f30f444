package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

const (
	// every is the time from one look at the store to the next.
	every = time.Second
	// backOffMost is the longest time between two looks at a store that cannot be
	// asked: somebody may be waiting before the screen for it to come back.
	backOffMost = 10 * time.Second
	// patience is how long a page waits for a look that goes on, when it can show an
	// older one.
	patience = time.Second
)

// A state is what was seen of the store at one moment. It does not change.
type state struct {
	listing *Listing
	snap    lockcore.Snapshot
	rows    []row
	wanted  []wanted
	at      time.Time // when it was seen, by the clock of this process
	version uint64    // changes with what is to be seen, apart from ages
	outline string
	warning string // about the inventory

	err      error // why there is nothing newer; nil if this is the newest
	errSince time.Time

	pages *cache
}

// A poller looks at the store for everybody.
type poller struct {
	ctx     context.Context // ends it
	take    func(context.Context) (*state, error)
	timeout time.Duration // of one look

	mu      sync.Mutex
	now     *state        // nil before the first look
	taking  chan struct{} // closed at the end of the look that goes on; nil if none does
	next    time.Time     // not before
	fails   int           // in a row
	looks   uint64        // for the metrics
	failed  uint64
	version uint64
	streams map[*stream]bool
	looping bool
	work    sync.WaitGroup
}

// A stream is told of each look. It holds the latest only: who is slow misses some.
type stream struct{ news chan *state }

// look is what is to be seen now. It looks at the store if the last look is too old,
// and nil means that there was none that succeeded before ctx was over.
func (p *poller) look(ctx context.Context) *state {
	for range 2 { // the second, if something was done here while the first went on
		p.mu.Lock()
		p.start()
		s, taking := p.now, p.taking
		p.mu.Unlock()
		if taking == nil {
			return s
		}
		wait := ctx
		if s != nil {
			var cancel context.CancelFunc
			wait, cancel = context.WithTimeout(ctx, patience)
			defer cancel()
		}
		select {
		case <-taking:
		case <-wait.Done():
			return s
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// start begins a look, if one is due and none goes on. p.mu is held.
func (p *poller) start() {
	if p.taking != nil || p.ctx.Err() != nil || time.Now().Before(p.next) {
		return
	}
	done := make(chan struct{})
	p.taking = done
	p.next = time.Now().Add(every)
	p.work.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
		defer cancel()
		s, err := p.take(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.looks++
		p.seen(s, err)
		p.taking = nil
		close(done)
	})
}

// seen notes how a look ended, and tells all streams. p.mu is held.
func (p *poller) seen(s *state, err error) {
	last := p.now
	switch {
	case p.ctx.Err() != nil:
		return
	case err != nil:
		p.failed++
		p.fails++
		p.next = time.Now().Add(min(backOffMost, every<<min(p.fails-1, 10)))
		n := state{err: err, errSince: time.Now(), pages: newCache()}
		if last != nil {
			n.listing, n.snap, n.rows, n.wanted, n.at, n.outline, n.warning = last.listing, last.snap, last.rows, last.wanted, last.at, last.outline, last.warning
			if last.err != nil {
				n.errSince = last.errSince
			}
		}
		s = &n
	default:
		p.fails = 0
		s.pages = newCache()
	}
	if last == nil || last.outline != s.outline || said(last.err) != said(s.err) || last.warning != s.warning || (last.listing == nil) != (s.listing == nil) {
		p.version++
	}
	s.version = p.version
	p.now = s
	for st := range p.streams {
		st.tell(s)
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// tell puts a state in the place of one that was not taken.
func (st *stream) tell(s *state) {
	select {
	case <-st.news:
	default:
	}
	st.news <- s
}

// subscribe makes a stream, unless there are most already. From then on the poller
// looks once a second.
func (p *poller) subscribe(most int) *stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) >= most || p.ctx.Err() != nil {
		return nil
	}
	st := &stream{news: make(chan *state, 1)}
	p.streams[st] = true
	if p.now != nil {
		st.news <- p.now
	}
	if !p.looping {
		p.looping = true
		p.work.Go(p.loop)
	}
	return st
}

// unsubscribe ends a stream. With the last one the looking ends.
func (p *poller) unsubscribe(st *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, st)
}

// soon makes the next look come at once: something was just done here. It is still no
// more than one look for each thing that is done.
func (p *poller) soon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails == 0 { // a store that cannot be asked is left alone for as long as it was
		p.next = time.Time{}
	}
}

// close waits for what goes on, after ctx has ended.
func (p *poller) close() {
	p.mu.Lock()
	p.now = nil
	p.mu.Unlock() // nothing is begun any more
	p.work.Wait()
}

func (p *poller) loop() {
	for {
		p.mu.Lock()
		if len(p.streams) == 0 || p.ctx.Err() != nil {
			p.looping = false
			p.mu.Unlock()
			return
		}
		p.start()
		taking, next := p.taking, p.next
		p.mu.Unlock()
		if taking != nil {
			select {
			case <-taking:
			case <-p.ctx.Done():
			}
			continue
		}
		// Streams come and go: whether there is one is looked at once a second.
		wait := time.NewTimer(min(every, max(0, time.Until(next))))
		select {
		case <-wait.C:
		case <-p.ctx.Done():
			wait.Stop()
		}
	}
}

// figures are what the metrics tell of a poller.
func (p *poller) figures() (s *state, looks, failed uint64, streams int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.looks, p.failed, len(p.streams)
}

// cacheMost bounds the pages of a cache.
const cacheMost = 64

// A cache keeps the pages made of one state, each made once.
type cache struct {
	mu    sync.Mutex
	pages map[string]*made
}

type made struct {
	once sync.Once
	body []byte
	err  error
}

func newCache() *cache { return &cache{pages: map[string]*made{}} }

// errFull says that a cache keeps no more pages.
var errFull = errors.New("too many pages")

// get is the page of a name, made by render if it is not there.
func (c *cache) get(name string, render func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	m := c.pages[name]
	if m == nil {
		if len(c.pages) >= cacheMost {
			c.mu.Unlock()
			return nil, errFull
		}
		m = &made{}
		c.pages[name] = m
	}
	c.mu.Unlock()
	m.once.Do(func() { m.body, m.err = render() })
	return m.body, m.err
}
