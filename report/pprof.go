package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Pprof makes the report into a profile for go tool pprof: for each request give
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
type Pprof struct {
	ByHolder bool

	samples map[pprofKey]*pprofSample
}

type pprofKey struct {
	waiter  pprofTest
	pool    string
	cause   Cause
	holder  pprofTest
	outcome eventlog.Outcome
}

type pprofTest struct{ pkg, name string }

type pprofSample struct {
	file string
	line int
	n    int64
	time eventlog.MS
}

// Add takes a request, in any order; it fits [Options.OnRequest].
func (p *Pprof) Add(r *Request) {
	if r.Waited <= 0 {
		return
	}
	if p.samples == nil {
		p.samples = map[pprofKey]*pprofSample{}
	}
	// One sample for each part of the wait, so that delays sum to it.
	shares := r.Blame
	if len(shares) == 0 {
		shares = []Share{{Cause: Unknown, Time: eventlog.MS(r.Waited)}}
	}
	most := 0 // a wait is one contention: for what it was spent on most
	for i, s := range shares {
		if s.Time > shares[most].Time {
			most = i
		}
	}
	for i, s := range shares {
		k := pprofKey{waiter: pprofTest{r.Test.Pkg, cmp.Or(r.Test.Name, "(no test)")}, pool: s.Pool, cause: s.Cause, outcome: r.Outcome}
		if s.Holder != (Holder{}) {
			k.holder = pprofTest{s.Holder.Pkg, s.Holder.String()}
		}
		v := p.samples[k]
		if v == nil {
			v = &pprofSample{file: r.Test.File, line: r.Test.Line}
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
func (p *Pprof) Write(w io.Writer, rep *Report) error {
	b := pprofBuilder{functions: map[pprofFunction]*profile.Location{}, p: &profile.Profile{
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
	keys := make([]pprofKey, 0, len(p.samples))
	for k := range p.samples {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, pprofKey.compare)
	for _, k := range keys {
		b.add(k, p.samples[k], p.ByHolder)
	}
	if err := b.p.CheckValid(); err != nil {
		return fmt.Errorf("building the profile: %w", err)
	}
	return b.p.Write(w)
}

func (a pprofKey) compare(b pprofKey) int {
	return cmp.Or(a.waiter.compare(b.waiter), cmp.Compare(a.pool, b.pool), cmp.Compare(a.cause, b.cause), a.holder.compare(b.holder), cmp.Compare(a.outcome, b.outcome))
}

func (a pprofTest) compare(b pprofTest) int {
	return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
}

// String is the name of a function, as a Go profile would have it.
func (a pprofTest) String() string {
	if a.pkg == "" || a.pkg == a.name {
		return a.name
	}
	return a.pkg + "." + a.name
}

type pprofFunction struct {
	name, file string
	line       int
}

type pprofBuilder struct {
	p         *profile.Profile
	functions map[pprofFunction]*profile.Location
}

// add adds a sample. The outermost function is named apart from tests, most of
// which both wait and are waited for: their sums must not mix.
func (b *pprofBuilder) add(k pprofKey, v *pprofSample, byHolder bool) {
	waiter := pprofFunction{k.waiter.String(), v.file, v.line}
	why := pprofFunction{name: "(" + string(k.cause) + ")"}
	if k.holder != (pprofTest{}) {
		why.name = k.holder.String()
	}
	inner, outer := waiter, why
	switch {
	case byHolder:
		inner, outer = why, waiter
		outer.name = "waiting: " + outer.name
	case k.holder != (pprofTest{}):
		outer.name = "because of " + outer.name
	}
	stack := []*profile.Location{b.location(inner)}
	if k.pool != "" {
		stack = append(stack, b.location(pprofFunction{name: "pool " + plain(k.pool)}))
	}
	stack = append(stack, b.location(outer))
	labels := map[string][]string{"cause": {string(k.cause)}, "waiter": {k.waiter.String()}}
	for name, value := range map[string]string{"requirement": k.pool, "outcome": string(k.outcome), "holder": k.holder.String()} {
		if value != "" {
			labels[name] = []string{value}
		}
	}
	b.p.Sample = append(b.p.Sample, &profile.Sample{Location: stack, Value: []int64{v.n, int64(v.time)}, Label: labels})
}

func (b *pprofBuilder) location(f pprofFunction) *profile.Location {
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
