package suspects

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Collector collects runs of tests. Its zero value is ready to use. It keeps about
// 50 bytes a run, and is not safe for concurrent use.
type Collector struct {
	tests     []test
	testIndex map[testKey]int32
	keys      []string // of resources, and tags as name=value
	isTag     []bool
	keyIndex  map[unitKey]int32
	suites    map[string]int32
	runs      []run
	units     []int32 // of all runs, one after the other
	skipped   int
	unknown   int
}

type testKey struct{ pkg, name string }

// A unitKey is a resource, or a tag: a resource may be called as a tag is.
type unitKey struct {
	name, value string
	tag         bool
}

// A test is one that ran.
type test struct{ pkg, name string }

// A run is one run of a test.
type run struct {
	test, suite int32
	from, to    int32 // of units
	failed      bool
}

// Add takes a run of a test, in any order; it fits [report.Options.OnTest].
func (c *Collector) Add(t *report.TestRun) {
	switch {
	case t.Verdict == "":
		c.unknown++
		return
	case t.Verdict == eventlog.VerdictSkipped || t.GaveUp || len(t.Held) == 0:
		c.skipped++
		return
	}
	if c.testIndex == nil {
		c.testIndex, c.keyIndex, c.suites = map[testKey]int32{}, map[unitKey]int32{}, map[string]int32{}
	}
	k := testKey{t.Test.Pkg, t.Test.Name}
	i, ok := c.testIndex[k]
	if !ok {
		i = int32(len(c.tests))
		c.testIndex[k] = i
		c.tests = append(c.tests, test(k))
	}
	suite, ok := c.suites[t.Process.Run]
	if !ok {
		suite = int32(len(c.suites))
		c.suites[t.Process.Run] = suite
	}
	r := run{test: i, suite: suite, from: int32(len(c.units)), failed: t.Verdict.Bad()}
	for _, h := range t.Held {
		c.unit(r.from, unitKey{name: h.Key})
		for name, value := range h.Tags {
			c.unit(r.from, unitKey{name, value, true})
		}
	}
	r.to = int32(len(c.units))
	c.runs = append(c.runs, r)
}

// unit adds a resource or tag to the run that begins at from, once.
func (c *Collector) unit(from int32, k unitKey) {
	u, ok := c.keyIndex[k]
	if !ok {
		u = int32(len(c.keys))
		c.keyIndex[k] = u
		name := k.name
		if k.tag {
			name += "=" + k.value
		}
		c.keys, c.isTag = append(c.keys, name), append(c.isTag, k.tag)
	}
	if !slices.Contains(c.units[from:], u) {
		c.units = append(c.units, u)
	}
}
