package sched

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// History is how long each test held what it asked for, the last times: the
// expectation that a scheduler can learn from. The zero value is an empty one.
//
// It is no part of the encoding of a [State], because it is a hundred times as
// large and nobody's safety depends on it: a store that decodes the state at
// every step keeps the history aside, writes it now and then, and may lose the
// end of it.
type History struct {
	tests   map[string]*holds
	unsaved []string // the tests of which something is not stored yet
}

// holds are the last durations of one test.
type holds struct {
	last  []time.Duration // oldest first
	at    int64           // of the newest
	fresh int             // how many at the end are not stored yet
}

const (
	// holdsKept is how many durations of a test count: enough that hangs and early
	// failures, unless they are every other run, do not move the median, and few
	// enough that a test that has become slower is known to be within a day.
	holdsKept   = 20
	historyKept = 1000 // tests
	// historyAge is how long a test is remembered that does not run any more.
	historyAge = 90 * 24 * time.Hour
)

// learn remembers how long the test held what it asked for, and tells those of
// the same test that wait.
//
// Only what is given back teaches. A lease that expired or was taken away shows
// how long somebody was patient with it, not how long the test takes; and requests
// without the name of a test have nothing in common by which to expect the next.
func (s *State) learn(l *lease) {
	if l.owner.Test == "" {
		return
	}
	took := time.Duration(s.now - l.since)
	s.learnUsual(took)
	s.History.add(historyKey(l.owner, l.reqs), s.now, []time.Duration{took})
	var expect time.Duration
	for _, w := range s.queue {
		if w.owner.Test == l.owner.Test && w.owner.Package == l.owner.Package && sameNames(w.class.reqs, l.reqs) {
			if expect == 0 {
				expect = s.recall(l.owner, l.reqs)
			}
			w.learned = expect
			s.noteWaiter(w)
		}
	}
}

// recall is how long the test will hold what it asks for, by what it took the
// last times; 0 if nothing is known.
func (s *State) recall(o lockcore.Owner, reqs []lockcore.Requirement) time.Duration {
	if o.Test == "" || len(s.History.tests) == 0 {
		return 0
	}
	t := s.History.tests[historyKey(o, reqs)]
	if t == nil || s.now-t.at > int64(historyAge) {
		return 0
	}
	return max(t.median(), 1)
}

// median is the middle of the durations, the later of two. One that ended early
// and one that hung do not move it.
func (t *holds) median() time.Duration {
	sorted := slices.Sorted(slices.Values(t.last))
	return sorted[len(sorted)/2]
}

// Usages lists what the history knows, by package, test and requirements; what is
// too old to be relied upon is left out.
func (s *State) Usages(now int64, rnd Rand) []lockcore.Usage {
	s.begin(now, rnd)
	var out []lockcore.Usage
	for _, key := range slices.Sorted(maps.Keys(s.History.tests)) {
		t := s.History.tests[key]
		if s.now-t.at > int64(historyAge) {
			continue
		}
		names := strings.Split(key, separator) // as historyKey joined them
		out = append(out, lockcore.Usage{Package: names[0], Test: names[1], Requirements: names[2:], Holds: len(t.last),
			Median: t.median(), Shortest: slices.Min(t.last), Longest: slices.Max(t.last), Last: time.Unix(0, t.at)})
	}
	return out
}

func sameNames(a, b []lockcore.Requirement) bool {
	return slices.EqualFunc(a, b, func(a, b lockcore.Requirement) bool { return a.Name == b.Name })
}

// add appends durations that are not stored yet.
func (h *History) add(key string, at int64, durations []time.Duration) {
	t := h.tests[key]
	if t == nil {
		if h.tests == nil {
			h.tests = make(map[string]*holds)
		}
		if len(h.tests) >= historyKept {
			h.forgetOldest()
		}
		t = new(holds)
		h.tests[key] = t
	}
	if t.fresh == 0 {
		h.unsaved = append(h.unsaved, key)
	}
	t.at = max(t.at, at)
	t.last = append(t.last, durations...)
	if len(t.last) > holdsKept {
		t.last = slices.Delete(t.last, 0, len(t.last)-holdsKept)
	}
	t.fresh = min(t.fresh+len(durations), holdsKept)
}

func (h *History) forgetOldest() {
	var oldest string
	for k, t := range h.tests {
		if o := h.tests[oldest]; o == nil || t.at < o.at || t.at == o.at && k < oldest {
			oldest = k
		}
	}
	delete(h.tests, oldest)
}

// Rebase puts what was learned here since the last Rebase on top of what is
// stored, by whomever, and reports whether there was anything. The result is in
// the receiver and is what to store next.
func (h *History) Rebase(stored *History) (news bool) {
	mine := h.tests
	h.tests = stored.tests
	defer func() { h.unsaved = nil }()
	for k, t := range mine {
		if t.fresh > 0 {
			h.add(k, t.at, t.last[len(t.last)-t.fresh:])
			news = true
		}
	}
	for _, t := range h.tests {
		t.fresh = 0
	}
	return news
}

// TakeUnsaved returns what was learned here since it was last called, or since
// the last Rebase, and counts it as stored; nil if that is nothing.
func (h *History) TakeUnsaved() *History {
	if len(h.unsaved) == 0 {
		return nil
	}
	news := &History{tests: make(map[string]*holds)}
	for _, k := range h.unsaved {
		if t := h.tests[k]; t != nil && t.fresh > 0 {
			news.tests[k] = &holds{last: slices.Clone(t.last[len(t.last)-t.fresh:]), at: t.at}
			t.fresh = 0
		}
	}
	h.unsaved = nil
	return news
}

// Merge adds what TakeUnsaved returned to a history of what is stored, in which
// nothing was learned since.
func (h *History) Merge(news *History) {
	for _, k := range slices.Sorted(maps.Keys(news.tests)) {
		t := news.tests[k]
		h.add(k, t.at, t.last)
		h.tests[k].fresh = 0
	}
	h.unsaved = nil
}

// Append appends the encoding of the history to buf.
func (h *History) Append(buf []byte) []byte {
	c := codec{out: buf}
	h.code(&c)
	return c.out
}

// DecodeHistory reads a history that Append wrote.
func DecodeHistory(data []byte) (*History, error) {
	c := codec{in: string(data), reading: true}
	h := &History{tests: make(map[string]*holds)}
	h.code(&c)
	switch {
	case c.err != nil:
		return nil, c.err
	case len(c.in) != 0:
		return nil, fmt.Errorf("%d bytes after the end of the history", len(c.in))
	}
	return h, nil
}

func (h *History) code(c *codec) {
	if !c.version() {
		return
	}
	codeMap(c, h.tests, func(p **holds) {
		if c.reading {
			*p = new(holds)
		}
		num(c, &(*p).at)
		list(c, &(*p).last, func(d *time.Duration) { num(c, d) })
	})
	for key, t := range h.tests {
		if len(t.last) == 0 || !strings.Contains(key, separator) {
			c.fail(fmt.Errorf("the holds of %q are damaged", key))
			return
		}
	}
}

// historyKey tells the holds of one test from those of another, and those of
// one test from each other when it asks for different things.
func historyKey(o lockcore.Owner, reqs []lockcore.Requirement) string {
	parts := []string{o.Package, o.Test}
	for _, r := range reqs {
		parts = append(parts, r.Name)
	}
	return strings.Join(parts, separator)
}

// separator stands between the parts of a key: no name has it in practice, and
// two that do at worst share what is learned of them.
const separator = "\x00"
