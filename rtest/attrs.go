package rtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// t.Attr puts facts about a test where its report is made: gotestsum and Ginkgo
// write them into JUnit. Keys are few and values short, because readers of such
// files differ in what they bear.

// attrMax bounds a value. go test loses lines of about 4.1 kB silently.
const attrMax = 4000

// totals sum up the calls of one test. Most readers keep the last value of a
// key, so each output holds everything so far.
type totals struct {
	mu sync.Mutex

	waited, held time.Duration
	over         int // leases that have ended, which held sums up
	resources    words
	blockedBy    words
	reqs         words
	wanted       words
	tokens       words
	outcome      string
	shown        map[string]string // what was output last
}

// words are a list that will be one value: beyond its size they are counted.
type words struct {
	list []string
	size int
	more int
}

// add keeps the list below the size of one value. A benchmark may acquire a
// million times.
func (w *words) add(s string) {
	if w.size+len(s) > attrMax-100 {
		w.more++
		return
	}
	w.list = append(w.list, s)
	w.size += len(s) + 2
}

func (w *words) addDistinct(s string) {
	if s != "" && !slices.Contains(w.list, s) {
		w.add(s)
	}
}

func (w *words) join(sep string) string {
	s := strings.Join(w.list, sep)
	if w.more > 0 {
		s += fmt.Sprintf("%sand %d more", sep, w.more)
	}
	return s
}

// outcomeRank orders outcomes by how much they matter: the worst one stands for
// the test.
var outcomeRank = []string{"", "acquired", "cancelled", "timeout", "failed", "skipped", "lost"}

// note keeps an outcome, unless a worse one is known. s.mu is held.
func (s *totals) note(outcome string) {
	if slices.Index(outcomeRank, outcome) > slices.Index(outcomeRank, s.outcome) {
		s.outcome = outcome
	}
}

// asked notes a call that begins.
func (s *totals) asked(id string, reqs []lockcore.Requirement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reqs.add(id)
	for _, r := range reqs {
		s.wanted.addDistinct(r.String())
	}
}

// blockersNamed bounds how many of those in the way of one call are kept.
const blockersNamed = 8

// waitOver notes how a wait ended.
func (s *totals) waitOver(outcome string, waited time.Duration, blockers []lockcore.Blocker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited += waited
	for _, b := range blockers[:min(len(blockers), blockersNamed)] {
		s.blockedBy.addDistinct(b.Key + " by " + b.Holder.String())
	}
	s.note(outcome)
}

// got notes what a lease holds.
func (s *totals) got(keys []string, token uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		s.resources.addDistinct(k)
	}
	s.tokens.add(strconv.FormatUint(token, 10))
}

// heldFor notes the end of a lease.
func (s *totals) heldFor(d time.Duration, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += d
	s.over++
	if lost {
		s.note("lost")
	}
}

// show outputs the totals that changed since the last time.
func (s *totals) show(t TB, level attrLevel) {
	a, ok := t.(interface{ Attr(key, value string) })
	if !ok || !attrsShow(t, level) {
		return
	}
	for _, kv := range s.changed(level) {
		a.Attr(kv[0], kv[1])
	}
}

// attrsShow reports whether attributes get anywhere: package testing drops them
// without -v.
func attrsShow(t TB, level attrLevel) bool {
	return level != attrsOff && (gotest.Verbose() || !driven(t))
}

// changed lists what differs from the last output: a test that acquires in a loop
// would else fill its log with the same six lines.
func (s *totals) changed(level attrLevel) (out [][2]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown = make(map[string]string)
	}
	for _, kv := range s.pairs(level) {
		key, value := attrKey(kv[0]), attrValue(kv[1])
		if value != "" && s.shown[key] != value {
			s.shown[key] = value
			out = append(out, [2]string{key, value})
		}
	}
	return out
}

// pairs are in the order in which they are read in a list of properties: what
// joins them to events first.
func (s *totals) pairs(level attrLevel) [][2]string {
	held := ""
	if s.over > 0 {
		held = seconds(s.held)
	}
	p := [][2]string{
		{"rtest.req", strings.Join(s.reqs.list, " ")},
		{"rtest.outcome", s.outcome},
		{"rtest.waited_s", seconds(s.waited)},
		{"rtest.held_s", held},
		{"rtest.resources", s.resources.join(", ")},
		{"rtest.blocked_by", s.blockedBy.join("; ")},
	}
	if level == attrsAll {
		p = append(p, [2]string{"rtest.wanted", s.wanted.join("; ")}, [2]string{"rtest.tokens", s.tokens.join(" ")})
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
