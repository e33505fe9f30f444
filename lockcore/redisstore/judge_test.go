package redisstore_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A use is a time during which a process had keys: from when its Acquire had
// returned to the last moment at which it knew its lease to be good. Times are
// those of the machine's monotonic clock, in ns, which all processes share.
type use struct {
	Proc  string `json:"-"`
	N     int    // number of the use in its process
	Asked int64  // before Acquire was called
	From  int64  // after it returned, and before a look at the lease that found it good
	To    int64  // before the last such look
	Token uint64 `json:",omitempty"`
	Got   []got  `json:",omitempty"` // by requirement
	Odd   string `json:",omitempty"` // what should not have happened
}

type got struct {
	Mode string // x, s, or n and the number of seats
	Keys []string
}

// readUses reads what a process wrote: a line when a use begins, and one with
// nothing but its number and To whenever it is known to last. A process that was
// killed may have left half a line at the end.
func readUses(path string) (uses []use, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := make(map[int]int)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var u use
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			if lines.Scan() {
				return nil, fmt.Errorf("%s: a line in the midst of it: %w", path, err)
			}
			break
		}
		if i, ok := at[u.N]; ok {
			uses[i].To = u.To
			continue
		}
		at[u.N] = len(uses)
		u.Proc = filepath.Base(path)
		uses = append(uses, u)
	}
	return uses, nil
}

// A span is what one use had of one key.
type span struct {
	*use
	mode  string
	units int
}

// judge returns what contradicts the promises in a history: who had a key beside
// somebody else, and tokens that do not rise.
func judge(history []use) (bad []string) {
	byKey := make(map[string][]span)
	for i := range history {
		u := &history[i]
		if u.Odd != "" {
			bad = append(bad, u.Odd)
		}
		for _, g := range u.Got {
			units := make(map[string]int)
			for _, k := range g.Keys {
				units[k]++
			}
			for k, n := range units {
				byKey[k] = append(byKey[k], span{u, g.Mode, n})
			}
		}
	}
	for key, spans := range byKey {
		bad = append(bad, judgeKey(key, spans)...)
	}
	return append(bad, judgeTokens(history)...)
}

// judgeKey walks along the uses of one key.
func judgeKey(key string, spans []span) (bad []string) {
	slices.SortFunc(spans, func(a, b span) int { return int(a.From - b.From) })
	var open []span
	exclusive, any := new(use), new(use) // those with the highest tokens so far
	for _, s := range spans {
		open = slices.DeleteFunc(open, func(o span) bool { return o.To < s.From })
		if open = append(open, s); !compatible(open) {
			bad = append(bad, fmt.Sprintf("%s: %+v as %s beside %+v as %s", key, *s.use, s.mode, *open[0].use, open[0].mode))
		}
		highest := exclusive
		if s.mode == "x" {
			highest = any
		}
		if s.Token <= highest.Token {
			bad = append(bad, fmt.Sprintf("%s: %+v as %s came after %+v, and has no higher token", key, *s.use, s.mode, *highest))
		}
		if s.Token > any.Token {
			any = s.use
		}
		if s.mode == "x" && s.Token > exclusive.Token {
			exclusive = s.use
		}
	}
	return bad
}

// compatible reports whether one key may be held by all of these at once.
func compatible(held []span) bool {
	taken, seats := 0, 0
	for _, h := range held {
		if h.mode == "x" && (len(held) > 1 || h.units > 1) || h.mode == "s" && h.units > 1 || (h.mode == "s") != (held[0].mode == "s") {
			return false
		}
		var n int
		if _, err := fmt.Sscanf(h.mode, "n%d", &n); err == nil {
			taken += h.units
			if seats == 0 || n < seats {
				seats = n
			}
		}
	}
	return taken <= seats
}

// judgeTokens looks at all keys together: whoever was asked for after another
// had been given has the higher token, and no two are alike.
func judgeTokens(history []use) (bad []string) {
	given := make([]*use, len(history))
	for i := range history {
		given[i] = &history[i]
	}
	asked := slices.Clone(given)
	slices.SortFunc(given, func(a, b *use) int { return int(a.From - b.From) })
	slices.SortFunc(asked, func(a, b *use) int { return int(a.Asked - b.Asked) })
	i, highest := 0, new(use)
	for _, u := range asked {
		for ; i < len(given) && given[i].From < u.Asked; i++ {
			if given[i].Token > highest.Token {
				highest = given[i]
			}
		}
		if u.Token <= highest.Token {
			bad = append(bad, fmt.Sprintf("token %d was given to %+v, after %+v", u.Token, *u, *highest))
		}
	}
	seen := make(map[uint64]bool)
	for _, u := range given {
		if seen[u.Token] {
			bad = append(bad, fmt.Sprintf("token %d was given twice", u.Token))
		}
		seen[u.Token] = true
	}
	return bad
}

// The judge of the history knows right from wrong.
func TestJudge(t *testing.T) {
	token := uint64(0)
	at := func(from, to int64, mode string, keys ...string) use {
		token++
		return use{Asked: from, From: from, To: to, Token: token, Got: []got{{mode, keys}}}
	}
	twice := at(3, 4, "x", "a")
	odd := at(8, 9, "x", "z")
	odd.Odd = "one key instead of two"
	for _, c := range []struct {
		what    string
		history []use
		bad     int
	}{
		{"one after the other", []use{at(0, 1, "x", "a"), at(2, 3, "x", "a")}, 0},
		{"at the same time", []use{at(0, 2, "x", "a"), at(1, 3, "x", "a")}, 1},
		{"different keys", []use{at(0, 2, "x", "a"), at(1, 3, "x", "b")}, 0},
		{"within a longer one", []use{at(0, 9, "x", "a"), at(1, 2, "s", "b"), at(4, 5, "x", "a", "c")}, 1},
		{"readers", []use{at(0, 2, "s", "a"), at(1, 3, "s", "a")}, 0},
		{"a writer beside readers", []use{at(0, 2, "s", "a"), at(1, 3, "s", "a"), at(2, 4, "x", "a")}, 1},
		{"a reader beside a writer", []use{at(0, 2, "x", "a"), at(1, 3, "s", "a")}, 1},
		{"a seat beside a reader", []use{at(0, 2, "s", "a"), at(1, 3, "n2", "a")}, 1},
		{"two of two seats", []use{at(0, 2, "n2", "a"), at(1, 3, "n2", "a")}, 0},
		{"three of two seats", []use{at(0, 3, "n2", "a", "a"), at(1, 3, "n2", "a")}, 1},
		{"three of two seats, who says three", []use{at(0, 3, "n3", "a", "a"), at(1, 3, "n2", "a")}, 1},
		{"a key twice", []use{at(0, 3, "x", "a", "a")}, 1},
		{"a token twice", []use{twice, {Asked: 2, From: 5, To: 6, Token: twice.Token, Got: []got{{"x", []string{"b"}}}}}, 1},
		{"a token that falls", []use{at(5, 6, "x", "a"), at(1, 2, "x", "b")}, 1},
		{"a token that falls on a key, asked for early", []use{{From: 5, To: 6, Token: 1, Got: []got{{"x", []string{"a"}}}}, {From: 1, To: 2, Token: 2, Got: []got{{"s", []string{"a"}}}}}, 1},
		{"something odd", []use{odd}, 1},
	} {
		if bad := judge(c.history); len(bad) != c.bad {
			t.Errorf("%s: found %q, want %d", c.what, bad, c.bad)
		}
	}
}
