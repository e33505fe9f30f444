package redisstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "board-1", "a b|c", "%41", "!x", "#y", "\x00\xff", "a%2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := escape(s)
		if strings.ContainsAny(e, " \t\r\n|!#\x00") {
			t.Fatalf("%q is escaped as %q", s, e)
		}
		if got := unescape(e); got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("%")
	f.Add("%4")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, s string) { unescape(s) }) // of a record that somebody broke
}

func TestGotIsReadAsWritten(t *testing.T) {
	reqs := []lockcore.Requirement{{Name: "a", Need: 2}, {Shared: true, Need: 1}, {Seats: 3, Need: 2}}
	g := &lockcore.Grant{Ticket: &lockcore.Ticket{Requirements: reqs}, Obtained: [][]string{{"x y", "z|"}, {"s"}, {"n", "n"}}}
	obtained, back := decodeGot(encodeGot(g))
	if !slices.EqualFunc(obtained, g.Obtained, slices.Equal) {
		t.Fatalf("%q", obtained)
	}
	for i := range reqs {
		if back[i].Shared != reqs[i].Shared || back[i].Seats != reqs[i].Seats || back[i].Need != reqs[i].Need {
			t.Errorf("%d: %+v", i, back[i])
		}
	}
	if o, r := decodeGot(encodeGot(&lockcore.Grant{Ticket: &lockcore.Ticket{}})); o != nil || r != nil {
		t.Errorf("nothing came back as %q, %v", o, r)
	}
}

func TestCommonMode(t *testing.T) {
	for _, c := range []struct {
		want string
		reqs []lockcore.Requirement
	}{
		{"", nil},
		{"x", []lockcore.Requirement{{}, {}}},
		{"s", []lockcore.Requirement{{Shared: true}, {Shared: true}}},
		{"", []lockcore.Requirement{{Shared: true}, {}}},
		{"", []lockcore.Requirement{{Seats: 2}}},
	} {
		if got := commonMode(&lockcore.Grant{Ticket: &lockcore.Ticket{Requirements: c.reqs}}); got != c.want {
			t.Errorf("%v: %q, want %q", c.reqs, got, c.want)
		}
	}
}

// A sample has no candidate twice, and is the beginning under InOrder.
func TestSample(t *testing.T) {
	for _, n := range []int{65, 66, 100, 127, 1000} {
		cands := make([]lockcore.Candidate, n)
		for i := range cands {
			cands[i].Key = string(rune('a' + i))
		}
		for range 100 {
			seen := make(map[string]bool)
			for _, c := range sample(cands, lockcore.Random) {
				seen[c.Key] = true
			}
			if len(seen) != sampleSize {
				t.Fatalf("%d of %d: %d different", sampleSize, n, len(seen))
			}
		}
		if got := sample(cands, lockcore.InOrder); !slices.EqualFunc(got, cands[:sampleSize], func(a, b lockcore.Candidate) bool { return a.Key == b.Key }) {
			t.Fatal("not the beginning")
		}
	}
}
