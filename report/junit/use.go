package junit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

// A use is what one run of one test did with locks.
type use struct {
	pkg, test string
	requests  []*request
	matched   bool
	state     state
}

// A request is what annotations need of a Request; the rest is let go.
type request struct {
	id           string
	process      eventlog.Process
	job          int // attempt of the CI job
	attempt      int
	pkg, test    string
	ginkgo       bool
	asked        time.Time
	waited, held time.Duration
	care         [2]time.Duration // for Prepare and Restore
	keys         []string
	outcome      string
	by           map[report.Holder]eventlog.MS
}

// Add takes a request, in any order; it fits [report.Options.OnRequest].
func (j *Annotator) Add(r *report.Request) {
	q := &request{
		id: r.ID, process: eventlog.Process{Host: r.Host, Run: r.Run.ID, PID: r.PID}, job: r.Run.Attempt,
		attempt: max(1, r.Test.Attempt), pkg: r.Test.Pkg, test: r.Test.Name, ginkgo: r.Test.Runner == "ginkgo",
		asked: r.Asked, waited: r.Waited, held: r.Held, care: [2]time.Duration{r.Prepared, r.Restored}, outcome: outcomeOf(r),
	}
	for _, c := range r.Chosen {
		q.keys = append(q.keys, c.Key)
	}
	for _, s := range r.Blame {
		if s.Holder != (report.Holder{}) {
			if q.by == nil {
				q.by = map[report.Holder]eventlog.MS{}
			}
			q.by[s.Holder] += s.Time
		}
	}
	j.added = append(j.added, q)
	j.index = nil
}

// outcomes are in the order in which they matter: the last one stands for
// the test, as in what rtest writes itself.
var outcomes = []string{"acquired", "cancelled", "timeout", "failed", "skipped", "unknown", "expired", "lost"}

// outcomeOf is how a request ended, in one word: a lease that went away is
// worse than any wait.
func outcomeOf(r *report.Request) string {
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

// A index finds uses.
type index struct {
	byReq  map[string]*use
	byName map[string][]*test // by plainName
	suites []*suite           // in the order of time
	all    []*use

	// Of the file that is annotated.
	runs    map[*elem]*use
	several map[*elem]string // why a testcase has none
}

// A test is a test, with its runs in the order of time. A run that used no
// locks is nil.
type test struct {
	pkg    string
	ginkgo bool
	runs   []*use
	met    int // testcases so far
}

// suiteName is the test that rtest.Main names for its lease. A JUnit file has a
// testcase of that name only when the whole package failed.
const suiteName = "TestMain"

// A suite is the uses of a package outside its tests: suite-wide leases.
type suite struct {
	pkg  string
	uses []*use
	told *elem // where
}

// newIndex groups requests by runs of tests. The n-th run is told by the
// attempt within its process, after those of earlier processes; a run without a
// request is noticed only when a later one of the same process has one.
func newIndex(added []*request, verdicts map[testRun]eventlog.Verdict) *index {
	slices.SortStableFunc(added, func(a, b *request) int {
		return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.id, b.id))
	})
	x := &index{byReq: map[string]*use{}, byName: map[string][]*test{}, runs: map[*elem]*use{}, several: map[*elem]string{}}
	type testKey struct{ pkg, test string }
	type procKey struct {
		testKey
		process eventlog.Process
		job     int
	}
	first := map[procKey]int{} // index of the process's first run
	for _, q := range added {
		k := testKey{q.pkg, q.test}
		if q.test == "" || q.test == suiteName {
			u := &use{pkg: q.pkg, requests: []*request{q}}
			s := x.suite(q.pkg)
			s.uses = append(s.uses, u)
			x.all, x.byReq[q.id] = append(x.all, u), u
			continue
		}
		t := x.test(q)
		at, ok := first[procKey{k, q.process, q.job}]
		if !ok {
			at = len(t.runs)
			first[procKey{k, q.process, q.job}] = at
		}
		n := at + q.attempt - 1
		for len(t.runs) <= n && len(t.runs) < runsMax {
			t.runs = append(t.runs, nil)
		}
		n = min(n, runsMax-1)
		if t.runs[n] == nil {
			t.runs[n] = &use{pkg: q.pkg, test: q.test}
			x.all = append(x.all, t.runs[n])
		}
		u := t.runs[n]
		u.requests = append(u.requests, q)
		if s := stateOf(verdicts[testRun{q.process, q.pkg, q.test, q.attempt}], q.outcome); s != unknownState {
			u.state = s
		}
		x.byReq[q.id] = t.runs[n]
	}
	return x
}

// runsMax bounds what a wild attempt number can cost.
const runsMax = 100_000

func (x *index) test(q *request) *test {
	name := plainName(q.test)
	for _, t := range x.byName[name] {
		if t.pkg == q.pkg {
			return t
		}
	}
	t := &test{pkg: q.pkg, ginkgo: q.ginkgo}
	x.byName[name] = append(x.byName[name], t)
	return t
}

func (x *index) suite(pkg string) *suite {
	for _, s := range x.suites {
		if s.pkg == pkg {
			return s
		}
	}
	s := &suite{pkg: pkg}
	x.suites = append(x.suites, s)
	return s
}

// totals is the sum of requests, as properties tell it.
type totals struct {
	ids, keys     []string
	waited, held  time.Duration
	care          [2]time.Duration
	outcome       string
	gaveUp, gone  int
	requests      int
	seenID, seenK map[string]bool
	blame         map[report.Holder]eventlog.MS
}

func (t *totals) add(u *use) {
	if t.seenID == nil {
		t.seenID, t.seenK, t.blame = map[string]bool{}, map[string]bool{}, map[report.Holder]eventlog.MS{}
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
		for i, d := range q.care {
			t.care[i] += d
		}
		for _, k := range q.keys {
			if !t.seenK[k] {
				t.seenK[k] = true
				t.keys = append(t.keys, k)
			}
		}
		if t.outcome == "" || slices.Index(outcomes, q.outcome) > slices.Index(outcomes, t.outcome) {
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
func (t *totals) blockedBy() string {
	if len(t.blame) == 0 || t.waited < time.Millisecond/2 {
		return "" // who waited 0.000 s was not blocked
	}
	var holders []report.Holder
	for h := range t.blame {
		holders = append(holders, h)
	}
	slices.SortFunc(holders, func(a, b report.Holder) int {
		return cmp.Or(cmp.Compare(t.blame[b], t.blame[a]), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Pkg, b.Pkg), cmp.Compare(a.Run, b.Run))
	})
	const shown = 3
	var names []string
	for _, h := range holders {
		if n := place(h); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, "; ")
}

// place is a holder with where it runs.
func place(h report.Holder) string {
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
