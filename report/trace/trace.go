// Package trace makes a report into a trace for Perfetto and chrome://tracing, see
// [Trace].
package trace

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A Trace makes the report into a trace for Perfetto (ui.perfetto.dev) and
// chrome://tracing: for each request give it to Add, then Write. The zero value
// is ready to use. It keeps about 400 bytes for each request.
//
// Each resource has a track with its holds; a resource with several holders at a
// time has as many. Waits are asynchronous, a track for each test. Counters show
// how many requests wait, in all and for each pool. Arrows lead from the hold
// that ended to the one that waited for it.
type Trace struct {
	requests []request
}

// A request is a request with its moments in microseconds since 1970. It is a
// copy: the fold goes on using its own.
type request struct {
	report.Request
	asked, from, to int64
	waitEnd         int64
	name            string
	gotNothing      bool
}

// Add takes a request, in any order; it fits [report.Options.OnRequest].
func (t *Trace) Add(r *report.Request) {
	q := request{Request: *r, asked: r.Asked.UnixMicro(), name: r.Test.Name}
	if q.name == "" {
		q.name = cmp.Or(r.Test.Pkg, fmt.Sprint("pid ", r.PID, " on ", r.Host))
	}
	q.waitEnd = q.asked + r.Waited.Microseconds()
	q.gotNothing = r.Served.IsZero() || len(r.Chosen) == 0
	if !q.gotNothing {
		q.from = r.Served.UnixMicro()
		q.to = q.from + r.Held.Microseconds()
		if !r.Ended.IsZero() {
			q.to = max(q.from, r.Ended.UnixMicro())
		}
	}
	t.requests = append(t.requests, q)
}

// The processes of the trace.
const (
	pidResources = 1
	pidWaits     = 2
	pidQueues    = 3
)

// A event is an entry of the Trace Event Format, which Perfetto and all its
// predecessors read; its own protobuf format would need a schema and could not be
// looked into. Times are in microseconds.
type event struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat,omitempty"`
	Ph   string         `json:"ph"`
	TS   int64          `json:"ts"`
	Dur  *int64         `json:"dur,omitempty"`
	PID  int            `json:"pid"`
	TID  int            `json:"tid"`
	ID   string         `json:"id,omitempty"`
	Bind string         `json:"bp,omitempty"`
	Args map[string]any `json:"args,omitempty"`
}

// Write writes the trace as JSON. Equal requests give equal bytes, in whatever
// order they came.
func (t *Trace) Write(w io.Writer) error {
	// By identity where the moment is the same: Add takes them in any order.
	slices.SortFunc(t.requests, func(a, b request) int {
		return cmp.Or(cmp.Compare(a.asked, b.asked), cmp.Compare(a.ID, b.ID))
	})
	b := writer{w: bufio.NewWriter(w)}
	if len(t.requests) > 0 {
		b.base = t.requests[0].asked
	}
	start, err := json.Marshal(time.UnixMicro(b.base).UTC())
	if err != nil {
		return err
	}
	fmt.Fprintf(b.w, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"start\":%s},\"traceEvents\":[", start)
	for i, name := range []string{"resources", "waiting", "queues"} {
		b.put(event{Name: "process_name", Ph: "M", TS: b.base, PID: i + 1, Args: map[string]any{"name": name}})
		b.put(event{Name: "process_sort_index", Ph: "M", TS: b.base, PID: i + 1, Args: map[string]any{"sort_index": i}})
	}
	t.holds(&b)
	t.waits(&b)
	t.queues(&b)
	b.print("\n]}\n")
	if b.err != nil {
		return b.err
	}
	return b.w.Flush()
}

type writer struct {
	w    *bufio.Writer
	base int64 // time zero: numbers stay small enough for every reader
	any  bool
	err  error
}

func (b *writer) print(s string) {
	if b.err == nil {
		_, b.err = b.w.WriteString(s)
	}
}

func (b *writer) put(e event) {
	e.TS -= b.base
	line, err := json.Marshal(e)
	if err != nil && b.err == nil {
		b.err = err
	}
	if b.any {
		b.print(",")
	}
	b.any = true
	b.print("\n" + string(line))
}

// A hold is a hold of one resource.
type hold struct {
	req *request
	tid int
}

// holds writes the tracks of resources, and the arrows between them.
func (t *Trace) holds(b *writer) {
	byKey := map[string][]*request{}
	var keys []string
	for i := range t.requests {
		q := &t.requests[i]
		if q.gotNothing {
			continue
		}
		seen := map[string]bool{}
		for _, c := range q.Chosen {
			if seen[c.Key] {
				continue
			}
			seen[c.Key] = true
			if byKey[c.Key] == nil {
				keys = append(keys, c.Key)
			}
			byKey[c.Key] = append(byKey[c.Key], q)
		}
	}
	slices.SortFunc(keys, words.NaturalCompare)
	tid, arrows := 0, 0
	for _, key := range keys {
		holds := byKey[key]
		slices.SortStableFunc(holds, func(a, b *request) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
		// Viewers take slices of a track that overlap for calls of each other, and
		// cut them: holders at the same time need a track each.
		var lanes []int64 // when the last hold of each lane ends
		first := tid + 1
		var last *hold // that ended most recently
		ended := []hold{}
		for _, q := range holds {
			lane := slices.IndexFunc(lanes, func(end int64) bool { return end <= q.from })
			if lane < 0 {
				lane = len(lanes)
				lanes = append(lanes, 0)
				tid++
				b.track(key, tid, lane)
			}
			lanes[lane] = q.to
			h := hold{q, first + lane}
			b.hold(key, h)
			last, ended = latest(ended, q.from)
			// An arrow has to begin and to end inside of a hold, so there is none from or to one that
			// took no time.
			if last != nil && q.Waited > 0 && last.req.to > last.req.from && q.to > q.from {
				arrows++
				b.arrow(arrows, *last, h)
			}
			ended = append(ended, h)
		}
	}
}

// latest finds the hold that ended last, not after at, and forgets those that
// ended before it.
func latest(holds []hold, at int64) (last *hold, rest []hold) {
	for i := range holds {
		if h := &holds[i]; h.req.to <= at && (last == nil || h.req.to >= last.req.to) {
			last = h
		}
	}
	if last == nil {
		return nil, holds
	}
	keep := *last
	rest = slices.DeleteFunc(holds, func(h hold) bool { return h.req.to <= at && h.req != keep.req })
	return &keep, rest
}

func (b *writer) track(key string, tid, lane int) {
	name := words.Plain(key)
	if lane > 0 {
		name += fmt.Sprintf(" (%d)", lane+1)
	}
	b.put(event{Name: "thread_name", Ph: "M", TS: b.base, PID: pidResources, TID: tid, Args: map[string]any{"name": name}})
	b.put(event{Name: "thread_sort_index", Ph: "M", TS: b.base, PID: pidResources, TID: tid, Args: map[string]any{"sort_index": tid}})
}

func (b *writer) hold(key string, h hold) {
	q := h.req
	args := q.args()
	for _, c := range q.Chosen {
		if c.Key == key {
			if c.Fence != 0 {
				args["token"] = c.Fence
			}
			for k, v := range c.Tags {
				args["tag "+k] = v
			}
		}
	}
	switch {
	case q.End == "":
		args["end"] = "not seen"
	case q.End != eventlog.Release:
		args["end"] = string(q.End)
	case q.Ended.IsZero():
		args["end"] = "kept"
	}
	dur := q.to - q.from
	b.put(event{Name: q.name, Cat: "hold", Ph: "X", TS: q.from, Dur: &dur, PID: pidResources, TID: h.tid, Args: args})
}

// arrow leads from the end of a hold to the beginning of the next. It must begin
// inside of the first, whose end is open.
func (b *writer) arrow(n int, from, to hold) {
	id := fmt.Sprint(n)
	b.put(event{Name: "hand-off", Cat: "handoff", Ph: "s", TS: from.req.to - 1, PID: pidResources, TID: from.tid, ID: id})
	b.put(event{Name: "hand-off", Cat: "handoff", Ph: "f", Bind: "e", TS: to.req.from, PID: pidResources, TID: to.tid, ID: id})
}

// args are what a viewer shows of a request.
func (q *request) args() map[string]any {
	a := map[string]any{"request": q.ID, "waited": words.Short(eventlog.MS(q.Waited))}
	for k, v := range map[string]string{"package": q.Test.Pkg, "host": q.Host, "run": q.Run.ID, "job": q.Run.URL, "outcome": string(q.Outcome)} {
		if v != "" {
			a[k] = v
		}
	}
	if len(q.Blame) > 0 {
		var l []string
		for _, s := range q.Blame {
			words := words.Short(s.Time) + " " + string(s.Cause)
			if s.Holder != (report.Holder{}) {
				words += ": " + s.Holder.String()
			}
			l = append(l, words)
			if len(l) == 10 { // the first are enough, and every hold and wait has the list
				break
			}
		}
		a["waited for"] = strings.Join(l, "; ")
	}
	return a
}

// waits writes the asynchronous tracks.
func (t *Trace) waits(b *writer) {
	for i := range t.requests {
		q := &t.requests[i]
		if q.waitEnd <= q.asked {
			continue // most requests do not wait, and would only be in the way
		}
		args := q.args()
		if q.Error != "" {
			args["error"] = words.Cut(q.Error)
		}
		for i, r := range q.Reqs {
			args[fmt.Sprintf("wanted %d", i+1)] = fmt.Sprintf("%d of %s", max(1, r.Need), words.Plain(cmp.Or(r.Name, strings.Join(r.Candidates[:min(3, len(r.Candidates))], ", "))))
		}
		// The identity of an asynchronous event is that of its request.
		e := event{Name: q.name, Cat: "wait", Ph: "b", TS: q.asked, PID: pidWaits, TID: 1, ID: q.ID, Args: args}
		b.put(e)
		e.Ph, e.TS, e.Args = "e", q.waitEnd, nil
		b.put(e)
	}
}

// poolsMost bounds the counters.
const poolsMost = 20

// A queueStep is a change of the number of requests that wait.
type queueStep struct {
	at int64
	by int
}

// queues writes the counters: all requests, and those for each of the pools that
// were waited for most.
func (t *Trace) queues(b *writer) {
	type counter struct {
		name   string
		steps  []queueStep
		waited int64
	}
	all := &counter{name: "waiting"}
	pools := map[string]*counter{}
	for i := range t.requests {
		q := &t.requests[i]
		if q.waitEnd <= q.asked {
			continue
		}
		steps := []queueStep{{q.asked, 1}, {q.waitEnd, -1}}
		all.steps = append(all.steps, steps...)
		seen := map[string]bool{}
		for _, r := range q.Reqs {
			if r.Name == "" || seen[r.Name] {
				continue
			}
			seen[r.Name] = true
			p := pools[r.Name]
			if p == nil {
				p = &counter{name: "waiting: " + words.Plain(r.Name)}
				pools[r.Name] = p
			}
			p.steps = append(p.steps, steps...)
			p.waited += q.waitEnd - q.asked // a request for two pools counts in both: both were waited for
		}
	}
	var list []*counter
	for _, p := range pools {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *counter) int { return cmp.Or(cmp.Compare(b.waited, a.waited), cmp.Compare(a.name, b.name)) })
	for _, c := range append([]*counter{all}, list[:min(len(list), poolsMost)]...) {
		slices.SortFunc(c.steps, func(a, b queueStep) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
		n := 0
		for i, s := range c.steps {
			n += s.by
			// Only the last value of a moment: a counter that goes up and down in no time is drawn
			// as a spike, and one request that follows another is no queue.
			if i+1 < len(c.steps) && c.steps[i+1].at == s.at {
				continue
			}
			b.put(event{Name: c.name, Ph: "C", TS: s.at, PID: pidQueues, Args: map[string]any{"requests": n}})
		}
	}
}
