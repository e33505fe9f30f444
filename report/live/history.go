package live

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/suspects"
)

// A History tells of the last day and the last week by their events. They are read
// when somebody asks for them, and again after five minutes; what was read last is
// shown meanwhile.
//
// Its memory is bounded: it keeps the last 20 uses of up to 5,000 resources, tells up
// to 20,000 tests and as many resources apart, and compares up to 200,000 runs of
// tests for suspects. What is beyond that is left out, and the page says so.
type History struct {
	// Read yields the events since a moment, in the order of time, as eventlog.Reader
	// does; it may yield older ones, too. It ends when ctx does. The error that ends the
	// sequence is told on the pages.
	Read func(ctx context.Context, since time.Time) iter.Seq2[eventlog.Event, error]

	mu      sync.Mutex
	last    *past
	reading bool
	closed  bool
	cancel  context.CancelFunc // of what is being read
	work    sync.WaitGroup
}

const (
	pastEvery   = 5 * time.Minute
	usesMost    = 20
	usedMost    = 5000
	apartMost   = 20000
	runsMost    = 200000
	pastTimeout = 5 * time.Minute
	day         = 24 * time.Hour
	pastRows    = 100
)

// A past is what was read of both windows.
type past struct {
	at        time.Time
	day, week *window
	err       error
}

// A window is a time, and what happened in it.
type window struct {
	from, to time.Time
	report   *report.Report
	suspects *suspects.Result
	uses     map[string]*uses
	outages  map[string]*outage
	left     int // events of tests beyond those that are told apart
	leftUses int // of resources beyond usedMost
	runs     int // of tests, also those beyond runsMost
}

// A uses is the last uses of a resource, the newest at the end.
type uses struct{ last []use }

type use struct {
	test, pkg, url, how string
	from                time.Time
	held, waited        time.Duration
}

// An outage sums up when a resource was out of service.
type outage struct {
	total time.Duration
	since time.Time // zero if it is in service
	until time.Time // zero if it stays out of service until it is enabled
	by    string
	why   string
}

// at counts an outage that has ended by itself before a moment: of that there is no event.
func (o *outage) at(now time.Time) {
	if !o.since.IsZero() && !o.until.IsZero() && !o.until.After(now) {
		o.ended(o.until)
	}
}

func (o *outage) ended(at time.Time) {
	o.total += max(0, at.Sub(o.since))
	o.since = time.Time{}
}

// look is what was read last; nil if that is not done yet. It begins to read if that is
// too old.
func (h *History) look() *past {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.reading && !h.closed && (h.last == nil || time.Since(h.last.at) > pastEvery) {
		h.reading = true
		ctx, cancel := context.WithTimeout(context.Background(), pastTimeout)
		h.cancel = cancel
		h.work.Go(func() {
			defer cancel()
			p := h.read(ctx, time.Now())
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reading = false
			if p.err != nil && h.last != nil { // the error is shown beside what was read before
				p.day, p.week = h.last.day, h.last.week
			}
			h.last = p
		})
	}
	return h.last
}

func (h *History) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.closed = true
	if h.cancel != nil {
		h.cancel()
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *History) read(ctx context.Context, now time.Time) *past {
	p := &past{at: now}
	// Twice, since a fold has one window: a percentile of a day does not follow from a week's.
	if p.week, p.err = h.window(ctx, now.Add(-7*day), now); p.err == nil {
		p.day, p.err = h.window(ctx, now.Add(-day), now)
	}
	return p
}

// window folds the events of a time.
func (h *History) window(ctx context.Context, from, to time.Time) (*window, error) {
	w := &window{from: from, to: to, uses: map[string]*uses{}, outages: map[string]*outage{}}
	var c suspects.Collector
	rep, err := report.Fold(w.within(ctx, h.Read(ctx, from)), report.Options{OnRequest: w.request, OnTest: func(t *report.TestRun) { w.test(&c, t) }})
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	w.report, w.suspects = rep, c.Find()
	for _, o := range w.outages {
		if o.at(to); !o.since.IsZero() {
			o.total += to.Sub(o.since)
		}
	}
	return w, nil
}

// within yields the events of the window, of so many tests and resources as are told
// apart.
func (w *window) within(ctx context.Context, events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	type test struct{ pkg, name string }
	tests, keys := map[test]bool{}, map[string]bool{}
	return func(yield func(eventlog.Event, error) bool) {
		for e, err := range events {
			if err != nil {
				yield(e, err)
				return
			}
			if ctx.Err() != nil {
				return
			}
			at := e.At
			if at.IsZero() {
				at = e.TS
			}
			if at.Before(w.from) || at.After(w.to.Add(time.Minute)) { // clocks differ a little
				continue // one from next year would make the window that long
			}
			known := tests[test{e.Test.Pkg, e.Test.Name}] || len(tests) < apartMost
			for _, c := range e.Chosen {
				known = known && (keys[c.Key] || len(keys) < apartMost)
			}
			if !known {
				w.left++
				continue
			}
			tests[test{e.Test.Pkg, e.Test.Name}] = true
			for _, c := range e.Chosen {
				keys[c.Key] = true
			}
			if e.Ev == eventlog.Action {
				w.action(&e, at)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// action notes what people took out of service.
func (w *window) action(e *eventlog.Event, at time.Time) {
	for _, c := range e.Chosen {
		o := w.outages[c.Key]
		if o != nil {
			o.at(at)
		}
		switch {
		case e.Action == "disable":
			if o == nil {
				o = &outage{}
				w.outages[c.Key] = o
			}
			if o.since.IsZero() {
				o.since = at
			}
			o.until, o.by, o.why = e.Until, e.User, e.Reason // of one that goes on, the words and the end changed
		case e.Action == "enable" && o == nil: // it was disabled before the window
			w.outages[c.Key] = &outage{total: at.Sub(w.from)}
		case e.Action == "enable" && !o.since.IsZero():
			o.ended(at)
		}
	}
}

// test counts a run of a test, and has as many compared as are kept.
func (w *window) test(c *suspects.Collector, t *report.TestRun) {
	if w.runs++; w.runs <= runsMost {
		c.Add(t)
	}
}

// request keeps the last uses of each resource.
func (w *window) request(r *report.Request) {
	if r.Served.IsZero() || r.Outcome != eventlog.Acquired && r.Outcome != "" {
		return
	}
	how := map[eventlog.Kind]string{eventlog.Release: "given back", eventlog.Lost: "lease lost", eventlog.Expired: "died with its lease", eventlog.Reclaim: "died with its lease", "": "not seen"}[r.End]
	for i, c := range r.Chosen {
		if slices.ContainsFunc(r.Chosen[:i], func(o eventlog.Chosen) bool { return o.Key == c.Key }) {
			continue
		}
		u := w.uses[c.Key]
		if u == nil {
			if len(w.uses) >= usedMost {
				w.leftUses++
				continue
			}
			u = &uses{}
			w.uses[c.Key] = u
		}
		u.last = append(u.last, use{cmp.Or(r.Test.Name, r.Test.Pkg, r.Run.ID, "pid "+fmt.Sprint(r.PID)), r.Test.Pkg, r.Run.URL, how, r.Served, r.Held, r.Waited})
		if len(u.last) > usesMost {
			u.last = slices.Delete(u.last, 0, 1)
		}
	}
}
