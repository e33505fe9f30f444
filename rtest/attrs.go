package rtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// t.Attr puts facts about a test where its report is made: gotestsum and Ginkgo
// write them into JUnit. Keys are few and values short, because readers of such
// files differ in what they bear.

// attrLevel is RTEST_ATTRS.
type attrLevel int

const (
	attrsOff attrLevel = iota
	attrsMin           // the totals
	attrsAll           // and what was asked for, and the fencing tokens
)

// attrMax bounds a value. go test loses lines of about 4.1 kB silently.
const attrMax = 4000

// totals sum up the calls of one test. Most readers keep the last value of a
// key, so each output holds everything so far.
type totals struct {
	waited, held time.Duration
	over         int // leases that have ended, which held sums up
	resources    []string
	blockedBy    []string
	reqs         []string
	wanted       []string
	tokens       []string
	outcome      string
	dirty        bool // something is not output yet
}

// outcomeRank orders outcomes by how much they matter: the worst one stands for
// the test.
var outcomeRank = []string{"", "acquired", "cancelled", "timeout", "failed", "skipped", "lost"}

func (s *totals) end(outcome string) {
	s.dirty = true
	if slices.Index(outcomeRank, outcome) > slices.Index(outcomeRank, s.outcome) {
		s.outcome = outcome
	}
}

func addDistinct(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// blockedBy words those that stood in the way of a call.
func (s *totals) blocked(blockers []lockcore.Blocker) {
	for i, b := range blockers {
		if i == 8 {
			break
		}
		s.blockedBy = addDistinct(s.blockedBy, b.Key+" by "+b.Holder.String())
	}
}

// asked notes a call that begins.
func (ts *testState) asked(c *call) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.totals.reqs = append(ts.totals.reqs, c.id)
	for _, r := range c.reqs {
		ts.totals.wanted = append(ts.totals.wanted, r.String())
	}
	ts.totals.dirty = true
}

// ended notes how a wait ended.
func (ts *testState) ended(outcome string, waited time.Duration, blockers []lockcore.Blocker) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.totals.waited += waited
	ts.totals.blocked(blockers)
	ts.totals.end(outcome)
}

// got notes what a lease holds.
func (ts *testState) got(l *Lease) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, k := range l.keys {
		ts.totals.resources = addDistinct(ts.totals.resources, k)
	}
	ts.totals.tokens = append(ts.totals.tokens, strconv.FormatUint(l.token, 10))
}

// heldFor notes the end of a lease.
func (ts *testState) heldFor(d time.Duration, lost bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.totals.held += d
	ts.totals.over++
	ts.totals.dirty = true
	if lost {
		ts.totals.end("lost")
	}
}

// attributes outputs the totals, unless nothing changed since the last time.
func (ts *testState) attributes(t TB, level attrLevel) {
	a, ok := t.(interface{ Attr(key, value string) })
	if !ok || level == attrsOff {
		return
	}
	ts.mu.Lock()
	s := ts.totals
	ts.totals.dirty = false
	ts.mu.Unlock()
	if !s.dirty {
		return
	}
	for _, kv := range s.pairs(level) {
		if kv[1] != "" {
			a.Attr(attrKey(kv[0]), attrValue(kv[1]))
		}
	}
}

func (s *totals) pairs(level attrLevel) [][2]string {
	held := ""
	if s.over > 0 {
		held = seconds(s.held)
	}
	p := [][2]string{
		{"rtest.req", strings.Join(s.reqs, " ")},
		{"rtest.outcome", s.outcome},
		{"rtest.waited_s", seconds(s.waited)},
		{"rtest.held_s", held},
		{"rtest.resources", strings.Join(s.resources, ", ")},
		{"rtest.blocked_by", strings.Join(s.blockedBy, "; ")},
	}
	if level == attrsAll {
		p = append(p, [2]string{"rtest.wanted", strings.Join(s.wanted, "; ")}, [2]string{"rtest.tokens", strings.Join(s.tokens, " ")})
	}
	return p
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// attrKey and attrValue make what t.Attr takes: white space in a key, or a line
// break in a value, would fail the test.
func attrKey(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, s)
}

func attrValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s) // a trailing space would be lost on the way
	if len(s) <= attrMax {
		return s
	}
	cut := attrMax - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
