// Package html makes a report into a page with charts that opens everywhere: give
// each request to [Page.Add], then call [Page.Write].
package html

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/suspects"

	"github.com/resourcelocker/resourcelocker/report"
)

// A Page makes the report into a page with charts: for each request give it to
// Add, then Write. The zero value is ready to use. It keeps about 100 bytes for
// each hold, to draw when resources were in use.
//
// The page works in the strictest place where people open it, the workspace browser of a
// CI server: it has no script, no inline style and no image, only SVG and one style
// sheet beside it. A reader without colours and a screen reader get everything: beside
// each chart stands its table.
type Page struct {
	Title   string // default "Lock contention"
	Warning string // shown at the top: what of the input could not be used
	// Suspects, if set, has a section of its own.
	Suspects *suspects.Result

	holds []hold
	waits []wait
	ends  []badEnd // what went wrong
	more  int      // of those, not kept
	keys  map[string]int32
	names []string // of keys
	tests map[testName]int32
	who   []testName
}

// A hold is a request from its grant to its end, in microseconds since 1970. Tests and keys
// are numbers, whose names the Page has once: of a million holds each byte counts.
type hold struct {
	from, to int64
	prepare  int64 // how much of it, at its beginning, Prepare took
	restore  int64 // how much of it, at its end, Restore took
	vain     bool  // Prepare failed, and that was all
	test     int32
	kind     holdKind
	keys     []int32
}

// A wait is a request until it was served.
type wait struct {
	from, to int64
	test     int32
	cause    int8 // most of it, as an index into report.Causes
}

// A testName is a test of a run.
type testName struct{ pkg, name, run string }

// A holdKind is how a hold is drawn.
type holdKind uint8

const (
	heldOwn holdKind = iota
	heldShared
	heldKept // after that, for somebody to look at
	heldLost
	heldOpen // its end was not seen
)

// Add takes a request, in any order; it fits [report.Options.OnRequest].
func (h *Page) Add(r *report.Request) {
	asked := r.Asked.UnixMicro()
	// Not until Served: when Prepare failed and it asked again, the time of that was no wait.
	h.waits = append(h.waits, wait{asked, asked + r.Waited.Microseconds(), h.test(r), mostly(r)})
	h.ended(r)
	for i := range r.Vain {
		v := &r.Vain[i]
		o := hold{from: v.Served.UnixMicro(), to: v.Ended.UnixMicro(), test: h.test(r), vain: true}
		o.prepare = o.to - o.from
		h.hold(o, v.Chosen)
	}
	// Served alone does not tell: it is also the moment at which a request gave up.
	if r.Served.IsZero() || len(r.Chosen) == 0 {
		return
	}
	o := hold{from: r.Served.UnixMicro(), test: h.test(r), kind: kindOf(r)}
	o.to = o.from + (r.Prepared + r.Held + r.Restored).Microseconds()
	if !r.Ended.IsZero() {
		o.to = max(o.from, r.Ended.UnixMicro())
	}
	// What was prepared in vain before is part of Prepared, but not of this hold.
	o.restore = min(r.Restored.Microseconds(), o.to-o.from)
	o.prepare = min(r.Prepared.Microseconds(), max(0, o.to-o.from-o.restore-r.Held.Microseconds()))
	h.hold(o, r.Chosen)
	if r.Kept > 0 {
		h.hold(hold{from: o.to, to: o.to + r.Kept.Microseconds(), test: o.test, kind: heldKept}, r.Chosen)
	}
}

// hold notes who had what when.
func (h *Page) hold(o hold, chosen []eventlog.Chosen) {
	for _, c := range chosen {
		k, ok := h.keys[c.Key]
		if !ok {
			if h.keys == nil {
				h.keys = map[string]int32{}
			}
			k = int32(len(h.names))
			h.keys[c.Key] = k
			h.names = append(h.names, c.Key)
		}
		if !slices.Contains(o.keys, k) { // several seats of one resource
			o.keys = append(o.keys, k)
		}
	}
	h.holds = append(h.holds, o)
}

// A badEnd is a request that was not served, or whose lease was lost.
type badEnd struct {
	at         int64
	waited     time.Duration
	test       int32
	by         report.Holder
	what, said string
}

// endsMax bounds those that are kept; more are counted. They are far more than the rows of
// their table: it shows those that asked first, and they come in the order of their ends.
const endsMax = 2000

func (h *Page) ended(r *report.Request) {
	// The end of the lease before the outcome of the wait, which is acquired of all that had one.
	e := badEnd{at: r.Asked.UnixMicro(), waited: r.Waited, test: h.test(r), said: r.Error}
	switch {
	case r.End == eventlog.Lost:
		e.what = "lease lost"
	case r.End == eventlog.Expired || r.End == eventlog.Reclaim:
		e.what = "died with its lease"
	case r.Outcome == eventlog.Acquired || r.Outcome == "": // "": it still waits, and has a row in openTable
		return
	default:
		e.what = string(r.Outcome)
	}
	if len(h.ends) >= endsMax {
		h.more++
		return
	}
	// Without a holder it was for a cause alone, as a fault of the store: then nobody is named.
	if b := r.BlockedBy(); b.Holder != (report.Holder{}) {
		e.by = b.Holder
	}
	h.ends = append(h.ends, e)
}

func (h *Page) test(r *report.Request) int32 {
	name := r.Test.Name
	if name == "" { // a suite-wide lease, or a program that is no test
		name = cmp.Or(r.Test.Pkg, fmt.Sprint("pid ", r.PID, " on ", r.Host))
	}
	t := testName{r.Test.Pkg, name, r.Run.ID}
	i, ok := h.tests[t]
	if !ok {
		if h.tests == nil {
			h.tests = map[testName]int32{}
		}
		i = int32(len(h.who))
		h.tests[t] = i
		h.who = append(h.who, t)
	}
	return i
}

// mostly is the cause of most of a wait: what is drawn is one bar, which has one pattern,
// and the parts of a wait may be many and thin.
func mostly(r *report.Request) int8 {
	times := map[report.Cause]eventlog.MS{}
	best := report.Unknown
	for _, s := range r.Blame {
		times[s.Cause] += s.Time
		if times[s.Cause] > times[best] {
			best = s.Cause
		}
	}
	return int8(slices.Index(report.Causes, best))
}

func kindOf(r *report.Request) holdKind {
	switch {
	// First: that a lease was lost is to be seen, shared or not.
	case r.End == eventlog.Lost || r.End == eventlog.Expired || r.End == eventlog.Reclaim:
		return heldLost
	case r.End == "":
		return heldOpen
	}
	for _, c := range r.Chosen {
		if c.Req >= 0 && c.Req < len(r.Reqs) && (r.Reqs[c.Req].Shared || r.Reqs[c.Req].Seats > 0) {
			return heldShared
		}
	}
	return heldOwn
}

//go:embed page.tmpl style.css
var assets embed.FS

// pageTemplate is parsed for the first page: the other commands of the tool need not
// wait half a millisecond for it.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.tmpl").ParseFS(assets, "page.tmpl"))
})

// Write makes the directory, and in it index.html and style.css; other files in
// it stay.
func (h *Page) Write(dir string, rep *report.Report) error {
	page, err := h.page(rep)
	if err != nil {
		return err
	}
	// Beside the page: the content policies that forbid inline styles allow a file
	// of the same origin.
	css, err := assets.ReadFile("style.css")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "style.css"), css, 0o666); err != nil {
		return err
	}
	// Last, and in one step: somebody may look while a run goes on.
	part := filepath.Join(dir, ".index.html.part")
	if err := os.WriteFile(part, page, 0o666); err != nil {
		return err
	}
	return os.Rename(part, filepath.Join(dir, "index.html"))
}

func (h *Page) page(rep *report.Report) ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, h.view(rep)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
