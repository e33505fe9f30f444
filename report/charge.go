package report

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// charge adds a wait that is over to everything it counts for.
func (f *fold) charge(r *request, waited micros) {
	f.total.served(r, waited)
	me := f.test(r.label)
	f.tally[me].tally.served(r, waited)
	for _, i := range r.teams() {
		f.teams[i].tally.served(r, waited)
	}
	for _, t := range r.tagList() {
		f.tag(t).served(r, waited)
	}
	if r.hold != nil {
		for _, s := range r.distinctSlots() {
			s.res.tally.served(r, waited)
		}
	}
	for _, p := range r.blame {
		if p.pool >= 0 {
			f.teams[p.pool].blame[p.cause] += p.time
		}
		if p.label != 0 {
			other := f.test(p.label)
			f.tally[other].caused[p.cause] += p.time
			f.pairs.add(pair{me, other, p.cause}, p.time)
		}
	}
}

// chargeHold adds a hold that is over to everything it counts for.
func (f *fold) chargeHold(r *request, held micros) {
	add := func(t *tally) {
		t.holds.add(held)
		if r.End != eventlog.Release {
			if r.End == eventlog.Lost {
				t.lost++
			} else {
				t.orphaned++
			}
		}
	}
	add(&f.total)
	add(&f.tally[f.test(r.label)].tally)
	for _, i := range r.teams() {
		add(&f.teams[i].tally)
	}
	for _, t := range r.tagList() {
		add(f.tag(t))
	}
	for _, s := range r.distinctSlots() {
		add(&s.res.tally)
	}
}

// over forgets a request.
func (f *fold) over(r *request) {
	delete(f.requests, r.ID)
	if f.opts.OnRequest == nil {
		return
	}
	for _, p := range r.blame {
		s := Share{Cause: p.cause.public(), Holder: f.labels.all[p.label], Time: p.time.ms()}
		if p.pool >= 0 {
			s.Pool = f.teams[p.pool].name
		}
		r.Blame = append(r.Blame, s)
	}
	f.opts.OnRequest(&r.Request)
}

// teams lists the named pools of the request, each once.
func (r *request) teams() []int32 {
	if r.spec == nil {
		return nil
	}
	l := make([]int32, 0, 4)
	for i := range r.spec.wants {
		if n := r.spec.wants[i].name; !slices.Contains(l, n) {
			l = append(l, n)
		}
	}
	return l
}

// distinctSlots lists the keys that were given, each once.
func (r *request) distinctSlots() []*slot {
	l := make([]*slot, 0, 4)
	for _, s := range r.hold.slots {
		if !slices.Contains(l, s) {
			l = append(l, s)
		}
	}
	return l
}

// tagList lists the tags of what was given, or asked for in vain, as k=v, each
// once and sorted.
func (r *request) tagList() []string {
	var l []string
	add := func(tags map[string]string) {
		for k, v := range tags {
			l = append(l, k+"="+v)
		}
	}
	if r.hold != nil {
		for i := range r.Chosen {
			add(r.Chosen[i].Tags)
		}
	} else {
		for i := range r.Reqs {
			add(r.Reqs[i].Tags)
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func (f *fold) tag(name string) *tally {
	t := f.tags[name]
	if t == nil {
		t = &tally{}
		f.tags[name] = t
	}
	return t
}

// test is the test behind a label, whichever its run.
func (f *fold) test(l labelID) int32 {
	for len(f.byLabel) <= int(l) {
		h := f.labels.all[len(f.byLabel)]
		k := testKey{h.Pkg, h.Test}
		i, ok := f.tests[k]
		if !ok {
			i = int32(len(f.testIDs))
			f.tests[k] = i
			f.testIDs = append(f.testIDs, k)
			f.tally = append(f.tally, tests{first: h})
		}
		f.tally[i].runs++
		f.byLabel = append(f.byLabel, i)
	}
	return f.byLabel[l]
}
