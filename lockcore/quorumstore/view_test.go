package quorumstore

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

var t0 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// told is a lease that a server reports; it ends in the given seconds.
func told(id string, attempt int64, seconds int, units ...unit) *knownLease {
	return &knownLease{id: id, attempt: attempt, until: t0.Add(time.Duration(seconds) * time.Second), units: units}
}

func exclusive(keys ...string) (units []unit) {
	for _, k := range keys {
		units = append(units, unit{name: k})
	}
	return units
}

func want(r lockcore.Requirement) *lockcore.Requirement { return &r }

func TestFreeByMajority(t *testing.T) {
	v := view{servers: make([]leaseTable, 5)}
	for i, l := range [][]*knownLease{
		{told("a", 1, 10, exclusive("k")...)},
		{told("a", 1, 10, exclusive("k")...)},
		{told("a", 1, 10, exclusive("k")...), told("r", 1, 10, unit{modes.Mode{Shared: true}, "doc"})},
		{told("r", 1, 10, unit{modes.Mode{Shared: true}, "doc"}), told("l", 1, 10, unit{modes.Mode{Seats: 3}, "lic"}, unit{modes.Mode{Seats: 3}, "lic"})},
		{told("r", 1, 10, unit{modes.Mode{Shared: true}, "doc"}), told("l", 1, 10, unit{modes.Mode{Seats: 3}, "lic"})},
	} {
		v.servers[i].observe(nil, l)
	}
	exclusively, reading := want(lockcore.Requirement{}), want(lockcore.Requirement{Shared: true})
	seat := func(n int) *lockcore.Requirement { return want(lockcore.Requirement{Seats: n}) }
	all := []bool{true, true, true, true, true}
	for _, c := range []struct {
		what    string
		r       *lockcore.Requirement
		key     string
		counted []bool
		now     time.Time
		want    int
	}{
		{"three of five hold k", exclusively, "k", all, t0, 0},
		{"nobody holds free", exclusively, "free", all, t0, 1},
		{"k is free again when its lease is over", exclusively, "k", all, t0.Add(time.Minute), 1},
		{"three have readers", exclusively, "doc", all, t0, 0},
		{"a reader joins them", reading, "doc", all, t0, 1},
		{"three have all seats, two have fewer: the third best counts", seat(3), "lic", all, t0, 3},
		{"without two of the empty ones, the fewest count", seat(3), "lic", []bool{false, false, true, true, true}, t0, 1},
		{"who believes in two seats finds none on one server", seat(2), "lic", []bool{false, false, true, true, true}, t0, 0},
		{"two servers are no majority", exclusively, "free", []bool{true, true, false, false, false}, t0, 0},
		{"with nil, all servers count", exclusively, "free", nil, t0, 1},
	} {
		if got := v.freeByMajority(c.counted, c.now)(c.r, c.key); got != c.want {
			t.Errorf("%s: got %d free, want %d", c.what, got, c.want)
		}
	}
}

// TestClaims: what another request of this process is about to take is not
// chosen again.
func TestClaims(t *testing.T) {
	v := view{servers: make([]leaseTable, 3)}
	v.claims.put(told("mine", 0, 1, unit{name: "a"}, unit{modes.Mode{Seats: 2}, "lic"}))
	reqs := []lockcore.Requirement{
		{Candidates: []lockcore.Candidate{{Key: "a"}, {Key: "b"}}},
		{Candidates: []lockcore.Candidate{{Key: "lic"}}, Seats: 2},
	}
	picks, ok := lockcore.Match(reqs, v.beside(reqs, v.freeByMajority(nil, t0), t0), nil)
	if !ok || !slices.Equal(picks[0], []string{"b"}) {
		t.Errorf("a is claimed and b is free; got %q, %v", picks, ok)
	}
	reqs[1].Need = 2
	if _, ok = lockcore.Match(reqs, v.beside(reqs, v.freeByMajority(nil, t0), t0), nil); ok {
		t.Error("one of two seats is claimed, and two were chosen")
	}
	if _, ok = lockcore.Match(reqs, v.bare(reqs, v.freeByMajority(nil, t0)), nil); !ok {
		t.Error("claims count where they should not")
	}
	if _, ok = lockcore.Match(reqs, v.beside(reqs, v.freeByMajority(nil, t0), t0.Add(2*time.Second)), nil); !ok {
		t.Error("a claim outlived its time")
	}
}

// TestObserve: an answer replaces what is known of the keys that it is about,
// and an old answer does not bring back what has ended since.
func TestObserve(t *testing.T) {
	var g leaseTable
	taken := func(key string) bool { return len(g.keys[key]) > 0 }
	g.observe(nil, []*knownLease{told("one", 5, 10, exclusive("a", "b")...), told("two", 6, 10, exclusive("c")...)})
	g.observe([]string{"a"}, nil)
	if taken("a") || taken("b") || !taken("c") {
		t.Errorf("a is free now, so its lease is over, and c is as it was: %v", g.leases)
	}
	g.end("three", 7)
	g.observe([]string{"d"}, []*knownLease{told("three", 7, 10, exclusive("d")...)})
	if taken("d") {
		t.Error("an answer from before the end brought a lease back")
	}
	g.observe([]string{"d"}, []*knownLease{told("three", 8, 10, exclusive("d")...)})
	if !taken("d") {
		t.Error("a later attempt of the same ticket is not seen")
	}
	if g.end("three", 8); taken("d") {
		t.Error("the end of a lease did not free its key")
	}
	if g.end("two", 5); !taken("c") {
		t.Error("the end of an earlier attempt ended a later one")
	}
	for i := range 2 * endedKept {
		g.end(string(rune('A'+i)), 1)
	}
	if len(g.ended) > endedKept || len(g.order) != len(g.ended) {
		t.Errorf("%d ends are remembered", len(g.ended))
	}
	g.prune(t0.Add(time.Hour))
	if len(g.leases) != 0 || len(g.keys) != 0 {
		t.Errorf("leases that are over were kept: %v", g.leases)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("x,1:a")
	f.Add("n5,3:\xff\x00 s,2:ab")
	f.Add("x,-1:a")
	f.Add("n0,1:a")
	f.Fuzz(func(t *testing.T, list string) {
		units, err := decode(list)
		if err != nil {
			return
		}
		if again, err := decode(encode(units)); err != nil || !slices.Equal(again, units) {
			t.Errorf("%q was read as %v, which is then read as %v, %v", list, units, again, err)
		}
	})
}

// TestEncode: any bytes come back as they were.
func TestEncode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var units []unit
		for range rnd.IntN(5) {
			name := make([]byte, 1+rnd.IntN(20))
			for i := range name {
				name[i] = byte(rnd.IntN(256))
			}
			units = append(units, unit{[]modes.Mode{{}, {Shared: true}, {Seats: 1}, {Seats: 64}}[rnd.IntN(4)], string(name)})
		}
		got, err := decode(encode(units))
		if err != nil || !slices.Equal(got, units) {
			t.Fatalf("%v came back as %v, %v", units, got, err)
		}
	}
	for _, bad := range []string{"x", "x,1", "x,1:", "y,1:a", "n,1:a", "n0,1:a", "x,-1:a", "x,2:a", "x,1:ab"} {
		if units, err := decode(bad); err == nil {
			t.Errorf("%q was read as %v", bad, units)
		}
	}
}
