package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A junitUse is what one run of one test did with locks.
type junitUse struct {
	pkg, test string
	requests  []*junitRequest
	matched   bool
}

// A junitRequest is what annotations need of a Request; the rest is let go.
type junitRequest struct {
	id, process  string
	attempt      int
	pkg, test    string
	ginkgo       bool
	asked        time.Time
	waited, held time.Duration
	keys         []string
	outcome      string
	by           map[Holder]eventlog.MS
}

// Add takes a request, in any order; it fits [Options.OnRequest].
func (j *JUnit) Add(r *Request) {
	q := &junitRequest{
		id: r.ID, process: fmt.Sprint(r.Run.ID, "\x00", r.Run.Attempt, "\x00", r.Host, "\x00", r.PID),
		attempt: max(1, r.Test.Attempt), pkg: r.Test.Pkg, test: r.Test.Name, ginkgo: r.Test.Runner == "ginkgo",
		asked: r.Asked, waited: r.Waited, held: r.Held, outcome: junitOutcome(r),
	}
	for _, c := range r.Chosen {
		q.keys = append(q.keys, c.Key)
	}
	for _, s := range r.Blame {
		if s.Holder != (Holder{}) {
			if q.by == nil {
				q.by = map[Holder]eventlog.MS{}
			}
			q.by[s.Holder] += s.Time
		}
	}
	j.added = append(j.added, q)
	j.index = nil
}

// junitOutcomes are in the order in which they matter: the last one stands for
// the test, as in what rtest writes itself.
var junitOutcomes = []string{"acquired", "cancelled", "timeout", "failed", "skipped", "unknown", "expired", "lost"}

// junitOutcome is how a request ended, in one word: a lease that went away is
// worse than any wait.
func junitOutcome(r *Request) string {
	switch {
	case r.End == eventlog.Lost:
		return "lost"
	case r.End == eventlog.Expired || r.End == eventlog.Reclaim:
		return "expired"
	case r.Outcome == "":
		return "unknown" // killed, or not over yet
	}
	return string(r.Outcome)
}

// A junitIndex finds uses.
type junitIndex struct {
	byReq  map[string]*junitUse
	byName map[string][]*junitTest // by plainName
	suites []*junitSuite           // in the order of time
	all    []*junitUse
}

// A junitTest is a test, with its runs in the order of time. A run that used no
// locks is nil.
type junitTest struct {
	pkg    string
	ginkgo bool
	runs   []*junitUse
	met    int // testcases so far
}

// suiteName is the test that rtest.Main names for its lease. A JUnit file has a
// testcase of that name only when the whole package failed.
const suiteName = "TestMain"

// A junitSuite is the uses of a package outside its tests: suite-wide leases.
type junitSuite struct {
	pkg  string
	uses []*junitUse
	told *junitElem // where
}

// newJUnitIndex groups requests by runs of tests. The n-th run is told by the
// attempt within its process, after those of earlier processes; a run without a
// request is noticed only when a later one of the same process has one.
func newJUnitIndex(added []*junitRequest) *junitIndex {
	slices.SortStableFunc(added, func(a, b *junitRequest) int {
		return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.id, b.id))
	})
	x := &junitIndex{byReq: map[string]*junitUse{}, byName: map[string][]*junitTest{}}
	type testKey struct{ pkg, test string }
	type procKey struct {
		testKey
		process string
	}
	first := map[procKey]int{} // index of the process's first run
	for _, q := range added {
		k := testKey{q.pkg, q.test}
		if q.test == "" || q.test == suiteName {
			u := &junitUse{pkg: q.pkg, requests: []*junitRequest{q}}
			s := x.suite(q.pkg)
			s.uses = append(s.uses, u)
			x.all, x.byReq[q.id] = append(x.all, u), u
			continue
		}
		t := x.test(q)
		at, ok := first[procKey{k, q.process}]
		if !ok {
			at = len(t.runs)
			first[procKey{k, q.process}] = at
		}
		n := at + q.attempt - 1
		for len(t.runs) <= n && len(t.runs) < junitRunsMax {
			t.runs = append(t.runs, nil)
		}
		n = min(n, junitRunsMax-1)
		if t.runs[n] == nil {
			t.runs[n] = &junitUse{pkg: q.pkg, test: q.test}
			x.all = append(x.all, t.runs[n])
		}
		t.runs[n].requests = append(t.runs[n].requests, q)
		x.byReq[q.id] = t.runs[n]
	}
	return x
}

// junitRunsMax bounds what a wild attempt number can cost.
const junitRunsMax = 100_000

func (x *junitIndex) test(q *junitRequest) *junitTest {
	name := plainName(q.test)
	for _, t := range x.byName[name] {
		if t.pkg == q.pkg {
			return t
		}
	}
	t := &junitTest{pkg: q.pkg, ginkgo: q.ginkgo}
	x.byName[name] = append(x.byName[name], t)
	return t
}

func (x *junitIndex) suite(pkg string) *junitSuite {
	for _, s := range x.suites {
		if s.pkg == pkg {
			return s
		}
	}
	s := &junitSuite{pkg: pkg}
	x.suites = append(x.suites, s)
	return s
}

// junitTotals is the sum of requests, as properties tell it.
type junitTotals struct {
	ids, keys     []string
	waited, held  time.Duration
	outcome       string
	gaveUp, gone  int
	requests      int
	seenID, seenK map[string]bool
	blame         map[Holder]eventlog.MS
}

func (t *junitTotals) add(u *junitUse) {
	if t.seenID == nil {
		t.seenID, t.seenK, t.blame = map[string]bool{}, map[string]bool{}, map[Holder]eventlog.MS{}
	}
	for _, q := range u.requests {
		if t.seenID[q.id] {
			continue
		}
		t.seenID[q.id] = true
		t.requests++
		t.ids = append(t.ids, q.id)
		t.waited += q.waited
		t.held += q.held
		for _, k := range q.keys {
			if !t.seenK[k] {
				t.seenK[k] = true
				t.keys = append(t.keys, k)
			}
		}
		if t.outcome == "" || slices.Index(junitOutcomes, q.outcome) > slices.Index(junitOutcomes, t.outcome) {
			t.outcome = q.outcome
		}
		switch q.outcome {
		case "acquired", "unknown":
		case "lost", "expired":
			t.gone++
		default:
			t.gaveUp++
		}
		for h, d := range q.by {
			t.blame[h] += d
		}
	}
}

// blockedBy lists those on whom most of the wait was spent, and how many more
// there are.
func (t *junitTotals) blockedBy() string {
	if len(t.blame) == 0 || t.waited < time.Millisecond/2 {
		return "" // who waited 0.000 s was not blocked
	}
	var holders []Holder
	for h := range t.blame {
		holders = append(holders, h)
	}
	slices.SortFunc(holders, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(t.blame[b], t.blame[a]), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Pkg, b.Pkg), cmp.Compare(a.Run, b.Run))
	})
	const shown = 3
	var names []string
	for _, h := range holders {
		if n := h.place(); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, "; ")
}

// place is the holder with where it runs.
func (h Holder) place() string {
	name := h.String()
	var where []string
	for _, w := range []string{h.Pkg, h.Host, h.URL} {
		if w != "" && w != name {
			where = append(where, w)
		}
	}
	if len(where) == 0 {
		return name
	}
	return name + " (" + strings.Join(where, ", ") + ")"
}
