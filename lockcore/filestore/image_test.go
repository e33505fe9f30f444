package filestore

import (
	"errors"
	"math/rand/v2"
	"testing"
)

func TestRoomLeavesTheCurrentStateAlone(t *testing.T) {
	var cur place
	largest, end := int64(0), int64(0)
	for i := range 10_000 {
		size := rand.Int64N(200_000)
		if rand.IntN(3) == 0 {
			size = rand.Int64N(5000)
		}
		slot := i % 2
		p := room(slot, cur, size)
		if p.size != size {
			t.Fatalf("room of %d bytes for %d", p.size, size)
		}
		if p.small() {
			if p.at != int64(slot)*slotSize+headerSize || p.at+p.size > int64(slot+1)*slotSize {
				t.Fatalf("%v is not inside slot %d", p, slot)
			}
		} else if p.at < statesAt || p.at < cur.at+cur.size && cur.at < p.at+p.size {
			t.Fatalf("%v overlaps the current state %v, or what stands before it", p, cur)
		}
		largest, end = max(largest, size), max(end, p.at+p.size)
		cur = p
	}
	if end > statesAt+3*largest+2*slotSize {
		t.Errorf("the file has grown to %d bytes for states of up to %d", end, largest)
	}
}

func TestClock(t *testing.T) {
	boot, other := hashID("this"), hashID("other")
	h := header{gen: 7, boot: boot, ticks: 1000, offset: 50_000}
	for _, c := range []struct {
		what        string
		h           header
		ticks, wall int64
		now         int64
	}{
		{"a new state begins at the wall clock", header{}, 10, 99_000, 99_000},
		{"time goes on with the kernel's clock", h, 1010, 51_010, 51_010},
		{"a wall clock set forward changes nothing", h, 1010, 99_000, 51_010},
		{"a wall clock set back changes nothing", h, 1010, 20, 51_010},
		{"after a boot it goes on from the wall clock", header{gen: 7, boot: other, ticks: 1000, offset: 50_000}, 10, 99_000, 99_000},
		{"but not back", header{gen: 7, boot: other, ticks: 1000, offset: 50_000}, 10, 20, 51_000},
		{"after a boot that has no name it does the same", h, 10, 99_000, 99_000},
		{"and not back either", h, 10, 20, 51_000},
	} {
		now, offset := c.h.clock(boot, c.ticks, c.wall)
		if now != c.now {
			t.Errorf("%s: got %d, want %d", c.what, now, c.now)
		}
		next := header{gen: 8, boot: boot, ticks: c.ticks, offset: offset}
		if again, _ := next.clock(boot, c.ticks+5, 0); again != now+5 {
			t.Errorf("%s: five ticks after %d it is %d", c.what, now, again)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	h := header{instance: hashID("instance"), gen: 7, at: statesAt, size: 100, sum: 1, offset: -5, ticks: 6, boot: hashID("boot")}
	f.Add(h.append(nil))
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, headerSize)...)
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again, err := parseHeader(h.append(nil))
		if err != nil || again != h {
			t.Errorf("parsed %+v, then %+v, %v", h, again, err)
		}
	})
}

func TestParseFront(t *testing.T) {
	h := header{gen: 7, at: statesAt}
	newer := header{gen: 8, at: statesAt}
	front := func(a, b []byte) []byte {
		f := make([]byte, frontSize)
		copy(f, a)
		copy(f[slotSize:], b)
		return f
	}
	future := newer.append(nil)
	future[8] = formatVersion + 1
	torn := newer.append(nil)
	torn[30]++
	for _, c := range []struct {
		what  string
		front []byte
		gens  []uint64
		err   error
	}{
		{"blank", front(nil, nil), nil, nil},
		{"first write", front(h.append(nil), nil), []uint64{7}, nil},
		{"both", front(h.append(nil), newer.append(nil)), []uint64{8, 7}, nil},
		{"both, the other way round", front(newer.append(nil), h.append(nil)), []uint64{8, 7}, nil},
		{"torn", front(h.append(nil), torn), []uint64{7}, errBadHeader},
		{"garbage", front([]byte("garbage"), nil), nil, errNotOurs},
		{"future", front(h.append(nil), future), []uint64{7}, &versionError{}},
		{"future and garbage", front([]byte("garbage"), future), nil, &versionError{}},
		{"future, then garbage", front(future, []byte("garbage")), nil, &versionError{}},
	} {
		f := parseFront(c.front)
		var gens []uint64
		for _, h := range f.headers {
			gens = append(gens, h.gen)
		}
		if len(gens) != len(c.gens) || len(gens) > 0 && gens[0] != c.gens[0] {
			t.Errorf("%s: generations %v, want %v", c.what, gens, c.gens)
		}
		var v *versionError
		if want, ok := c.err.(*versionError); ok && errors.As(f.err, &want) {
			continue
		}
		if f.err != c.err || errors.As(f.err, &v) {
			t.Errorf("%s: error %v, want %v", c.what, f.err, c.err)
		}
	}
}
