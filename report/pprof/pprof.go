// Package pprof makes a report into a profile for go tool pprof, see [Profile].
package pprof

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A Profile makes the report into a profile for go tool pprof: for each request give
// it to Add, then Write. The zero value is ready to use. Its memory depends on the
// number of distinct tests, pools and holders.
//
// The samples are contentions, the number of requests that waited, and delay, the
// time they waited. As in Go's own block profile, the innermost function is who
// waited, called by the pool it waited for, called by whom or what the wait was
// spent on; ByHolder turns the stack round, as in Go's mutex profile, so that the
// innermost is who kept others waiting. pprof -top lists the innermost ones.
// The labels requirement, cause, holder, waiter and outcome serve -tagfocus,
// -tagroot and the like.
type Profile struct {
	ByHolder bool

	samples map[key]*sample
}

type key struct {
	waiter  test
	pool    string
	cause   report.Cause
	holder  test
	outcome eventlog.Outcome
}

type test struct{ pkg, name string }

type sample struct {
	file string
	line int
	n    int64
	time eventlog.MS
}

// Add takes a request, in any order; it fits [report.Options.OnRequest].
func (p *Profile) Add(r *report.Request) {
	if r.Waited <= 0 {
		return
	}
	if p.samples == nil {
		p.samples = map[key]*sample{}
	}
	// One sample for each part of the wait, so that delays sum to it.
	shares := r.Blame
	if len(shares) == 0 {
		shares = []report.Share{{Cause: report.Unknown, Time: eventlog.MS(r.Waited)}}
	}
	most := 0 // a wait is one contention: for what it was spent on most
	for i, s := range shares {
		if s.Time > shares[most].Time {
			most = i
		}
	}
	for i, s := range shares {
		k := key{waiter: test{r.Test.Pkg, cmp.Or(r.Test.Name, "(no test)")}, pool: s.Pool, cause: s.Cause, outcome: r.Outcome}
		if s.Holder != (report.Holder{}) {
			k.holder = test{s.Holder.Pkg, s.Holder.String()}
		}
		v := p.samples[k]
		if v == nil {
			v = &sample{file: r.Test.File, line: r.Test.Line}
			p.samples[k] = v
		}
		if cmp.Or(cmp.Compare(r.Test.File, v.file), cmp.Compare(r.Test.Line, v.line)) < 0 {
			v.file, v.line = r.Test.File, r.Test.Line // one of several, whichever came first
		}
		v.time += s.Time
		if i == most {
			v.n++
		}
	}
}

// Write writes the profile, compressed, as pprof reads it. It is of the window of
// rep.
func (p *Profile) Write(w io.Writer, rep *report.Report) error {
	b := builder{functions: map[function]*profile.Location{}, p: &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}},
		DefaultSampleType: "delay",
		PeriodType:        &profile.ValueType{Type: "contentions", Unit: "count"},
		Period:            1,
		TimeNanos:         rep.From.UnixNano(),
		DurationNanos:     int64(rep.Window),
	}}
	if rep.From.IsZero() {
		b.p.TimeNanos = 0
	}
	keys := make([]key, 0, len(p.samples))
	for k := range p.samples {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, key.compare)
	for _, k := range keys {
		b.add(k, p.samples[k], p.ByHolder)
	}
	if err := b.p.CheckValid(); err != nil {
		return fmt.Errorf("building the profile: %w", err)
	}
	return b.p.Write(w)
}

func (a key) compare(b key) int {
	return cmp.Or(a.waiter.compare(b.waiter), cmp.Compare(a.pool, b.pool), cmp.Compare(a.cause, b.cause), a.holder.compare(b.holder), cmp.Compare(a.outcome, b.outcome))
}

func (a test) compare(b test) int {
	return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
}

// String is the name of a function, as a Go profile would have it.
func (a test) String() string {
	if a.pkg == "" || a.pkg == a.name {
		return words.Visible(a.name)
	}
	return words.Visible(a.pkg + "." + a.name)
}

type function struct {
	name, file string
	line       int
}

type builder struct {
	p         *profile.Profile
	functions map[function]*profile.Location
}

// add adds a sample. The outermost function is named apart from tests, most of
// which both wait and are waited for: their sums must not mix.
func (b *builder) add(k key, v *sample, byHolder bool) {
	waiter := function{k.waiter.String(), v.file, v.line}
	why := function{name: "(" + string(k.cause) + ")"}
	if k.holder != (test{}) {
		why.name = k.holder.String()
	}
	inner, outer := waiter, why
	switch {
	case byHolder:
		inner, outer = why, waiter
		outer.name = "waiting: " + outer.name
	case k.holder != (test{}):
		outer.name = "because of " + outer.name
	}
	stack := []*profile.Location{b.location(inner)}
	if k.pool != "" {
		stack = append(stack, b.location(function{name: "pool " + words.Plain(k.pool)}))
	}
	stack = append(stack, b.location(outer))
	labels := map[string][]string{"cause": {string(k.cause)}, "waiter": {k.waiter.String()}}
	for name, value := range map[string]string{"requirement": words.Visible(k.pool), "outcome": string(k.outcome), "holder": k.holder.String()} {
		if value != "" {
			labels[name] = []string{value}
		}
	}
	b.p.Sample = append(b.p.Sample, &profile.Sample{Location: stack, Value: []int64{v.n, int64(v.time)}, Label: labels})
}

func (b *builder) location(f function) *profile.Location {
	if l := b.functions[f]; l != nil {
		return l
	}
	fn := &profile.Function{ID: uint64(len(b.p.Function) + 1), Name: f.name, SystemName: f.name, Filename: f.file}
	l := &profile.Location{ID: uint64(len(b.p.Location) + 1), Line: []profile.Line{{Function: fn, Line: int64(f.line)}}}
	b.p.Function = append(b.p.Function, fn)
	b.p.Location = append(b.p.Location, l)
	b.functions[f] = l
	return l
}
