package sched

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Version is the version of the encoding that is written. The two before are read,
// so that what is reserved and disabled outlives an upgrade; a state of any other
// is refused rather than guessed at. It rises with every change, released or not:
// whoever builds from source has states on disk, too. It rises with every change of
// the rules by which waiters are served as well, so that nobody serves them by others.
const Version = 4

// oldestVersion is the oldest one that is still read. Version 3 added reservations,
// disabled keys and the memory of endings; version 4 promises to waiters, and
// the usual time.
const oldestVersion = 2

// ErrVersion tells that a state was written by another version of this package.
var ErrVersion = errors.New("state has another format version")

// Append appends the encoding of the state to buf.
//
// The encoding is binary because a store that lives in a file decodes it at
// every step: text would cost more than the step. One function walks the fields
// for both directions, so that reader and writer cannot drift apart.
func (s *State) Append(buf []byte) []byte {
	c := codec{out: buf}
	s.init()
	s.code(&c)
	return c.out
}

// Decode reads a state that Append wrote. The error wraps ErrVersion if another
// version did.
func Decode(data []byte) (*State, error) {
	c := codec{in: string(data), reading: true}
	s := new(State)
	s.init()
	s.code(&c)
	switch {
	case c.err != nil:
		return nil, c.err
	case len(c.in) != 0:
		return nil, fmt.Errorf("%d bytes after the end of the state", len(c.in))
	}
	s.derive()
	return s, nil
}

type codec struct {
	reading bool
	read    int    // the version that is read
	in      string // strings that are read are slices of it: one allocation for all
	out     []byte
	err     error
}

var errShort = errors.New("state ends in the middle")

func num[T ~int | ~int64 | ~uint64 | ~uint8](c *codec, p *T) {
	if !c.reading {
		c.out = binary.AppendVarint(c.out, int64(*p))
		return
	}
	v, n := int64(0), 0
	var u uint64
	for shift := uint(0); n < len(c.in) && shift < 64; shift += 7 {
		b := c.in[n]
		n++
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			v = int64(u >> 1)
			if u&1 != 0 {
				v = ^v
			}
			c.in = c.in[n:]
			*p = T(v)
			return
		}
	}
	c.fail(errShort)
}

func (c *codec) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.in = ""
}

// version comes first in every encoding. It reports whether what follows can be
// read.
func (c *codec) version() bool {
	c.read = Version
	num(c, &c.read)
	known := c.read >= oldestVersion && c.read <= Version
	if !known {
		c.fail(fmt.Errorf("%w: %d, this program knows %d to %d", ErrVersion, c.read, oldestVersion, Version))
	}
	return known
}

func (c *codec) str(p *string) {
	n := len(*p)
	num(c, &n)
	if !c.reading {
		c.out = append(c.out, *p...)
		return
	}
	if n < 0 || n > len(c.in) {
		c.fail(errShort)
		return
	}
	*p, c.in = c.in[:n], c.in[n:]
}

func (c *codec) bool(p *bool) {
	n := 0
	if *p {
		n = 1
	}
	num(c, &n)
	if c.reading { // writing must leave alone what snapshots share with the state
		*p = n != 0
	}
}

// list walks a slice: each element takes at least one byte, which bounds what a
// damaged length can make us read. It does not bound memory, since an element may
// be a hundred times as large as its encoding: room is made for a few at first,
// and for more only when they were there.
func list[T any](c *codec, p *[]T, each func(*T)) {
	n := len(*p)
	num(c, &n)
	if !c.reading {
		for i := range *p {
			each(&(*p)[i])
		}
		return
	}
	if n < 0 || n > len(c.in) {
		c.fail(errShort)
		return
	}
	*p = nil
	if n > 0 {
		*p = make([]T, 0, min(n, 64))
	}
	for range n {
		if c.err != nil {
			return
		}
		var v T
		*p = append(*p, v)
		each(&(*p)[len(*p)-1])
	}
}

func (c *codec) strs(p *[]string) { list(c, p, c.str) }

func (c *codec) owner(o *lockcore.Owner) {
	c.str(&o.Test)
	c.str(&o.Package)
	c.str(&o.Host)
	num(c, &o.PID)
	c.str(&o.Run)
	c.str(&o.URL)
	c.str(&o.Site)
	if c.read >= 3 {
		c.str(&o.User)
	}
}

func (c *codec) requirement(r *lockcore.Requirement) {
	c.str(&r.Name)
	num(c, &r.Need)
	c.bool(&r.Shared)
	num(c, &r.Seats)
	num(c, &r.Choice)
	list(c, &r.Candidates, func(k *lockcore.Candidate) { c.str(&k.Key) })
}

func (c *codec) lease(p **lease) {
	if c.reading {
		*p = new(lease)
	}
	l := *p
	c.str(&l.id)
	list(c, &l.reqs, c.requirement)
	list(c, &l.obtained, c.strs)
	if len(l.obtained) != len(l.reqs) {
		c.fail(errors.New("a lease whose keys do not fit its requirements"))
	}
	c.owner(&l.owner)
	num(c, &l.token)
	num(c, &l.since)
	num(c, &l.expires)
	num(c, &l.provisional)
	num(c, &l.ttl)
	num(c, &l.expect)
	c.str(&l.reason)
	c.strs(&l.parents)
	c.str(&l.proc)
	c.bool(&l.kept)
	c.bool(&l.backfilled)
	num(c, &l.rank)
	num(c, &l.seq)
	if c.read >= 3 {
		num(c, &l.kind)
		num(c, &l.hold)
		if l.kind > disabled {
			c.fail(fmt.Errorf("a lease of the unknown kind %d", l.kind))
		}
	}
	if c.read >= 4 {
		num(c, &l.guess)
	}
}

func (c *codec) waiter(p **waiter, classes []*class) {
	if c.reading {
		*p = new(waiter)
	}
	w := *p
	c.str(&w.id)
	i := 0
	if !c.reading {
		i = w.class.index
	}
	num(c, &i)
	if i < 0 || i >= len(classes) {
		c.fail(errors.New("a waiter without a class"))
		return
	}
	w.class = classes[i]
	c.owner(&w.owner)
	num(c, &w.priority)
	num(c, &w.arrived)
	num(c, &w.seq)
	num(c, &w.expires)
	num(c, &w.ttl)
	num(c, &w.expect)
	c.str(&w.reason)
	c.strs(&w.parents)
	num(c, &w.revision)
	c.str(&w.proc)
	num(c, &w.learned)
	num(c, &w.fence)
	num(c, &w.delayed)
	if c.read >= 3 {
		num(c, &w.hold)
	}
	if c.read >= 4 {
		num(c, &w.promise)
		num(c, &w.guess)
	}
}

func (c *codec) ended(e *ended) {
	c.str(&e.id)
	c.str(&e.why)
}

func (c *codec) trouble(t *trouble) {
	num(c, &t.ending)
	num(c, &t.fence)
	c.str(&t.lease)
	num(c, &t.outages)
}

// codeNumbers walks what is no record.
func (s *State) codeNumbers(c *codec) {
	num(c, &s.now)
	num(c, &s.fence)
	num(c, &s.seq)
	num(c, &s.Policy)
	num(c, &s.look)
	if c.read >= 4 {
		num(c, &s.usual)
	}
}

// code walks the whole state. Maps go out as sorted lists, so that equal states
// have equal encodings.
func (s *State) code(c *codec) {
	if !c.version() {
		return
	}
	s.codeNumbers(c)
	codeMap(c, s.leases, c.lease)
	codeMap(c, s.lapsed, c.lease)

	var classes []*class
	seen := make(map[*class]bool)
	for _, w := range s.queue {
		if !seen[w.class] {
			seen[w.class] = true
			w.class.index = len(classes)
			classes = append(classes, w.class)
		}
	}
	list(c, &classes, func(p **class) {
		if c.reading {
			*p = new(class)
		}
		c.str(&(*p).sig)
		list(c, &(*p).reqs, c.requirement)
	})
	list(c, &s.queue, func(p **waiter) { c.waiter(p, classes) })

	list(c, &s.gone, c.ended)
	codeMap(c, s.used, func(at *int64) { num(c, at) })
	if c.read >= 3 {
		codeMap(c, s.troubles, c.trouble)
	}
}

func codeMap[V any](c *codec, m map[string]V, each func(*V)) {
	var keys []string
	if !c.reading {
		keys = slices.Sorted(maps.Keys(m))
	}
	list(c, &keys, func(k *string) {
		c.str(k)
		v := m[*k]
		each(&v)
		m[*k] = v
	})
}

// derive works out what the encoding leaves out.
func (s *State) derive() {
	for _, l := range s.leases {
		s.occupy(l)
	}
	for _, w := range s.queue {
		w.class.waiters++
		w.class.need = needed(w.class.reqs)
		s.classes[w.class.sig] = w.class
		s.waiting[w.id] = w
		if len(w.parents) > 0 {
			s.nested++
		}
	}
	// next stays 0: the first step looks at everything.
}
