//go:build unix

package ginkgolock_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryKindOfNodeHoldsWhatItNeeds(t *testing.T) {
	for name, procs := range map[string]int{"one process": 1, "four processes": 4} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c := l.run("kinds", procs).ok()
			for _, want := range []string{"outside", "decorator", "name", "serial", "sum", "one", "two", "three", "flake", "repeat", "ordered"} {
				assert.True(t, l.says("ran "+want), want)
			}
			assert.NotContains(t, l.said(), "overlap")
			assert.Equal(t, 1, strings.Count(l.said(), "ran ordered"))
			l.empty()
			assert.Equal(t, l.events("grant"), l.events("release"))
			// Nothing for pending specs, one for each attempted one and for the container.
			assert.Equal(t, 12, l.events("request"))

			cases := l.cases(c)
			assert.Contains(t, cases, "[It] plain label [lock:k64f*2]")
			assert.Contains(t, cases, "[It] plain name", "there is a way not to rename it")
			first := cases["[It] around ordered o1 [lock:k64f]"]
			assert.NotEmpty(t, first.property("rtest.req"))
			for _, other := range []string{"[It] around ordered nested o2 [lock:k64f, lock:k64f*1]", "[It] around ordered o3 [lock:k64f]"} {
				assert.Equal(t, first.property("rtest.req"), cases[other].property("rtest.req"), other)
				waited, err := strconv.ParseFloat(cases[other].property("rtest.waited_s"), 64)
				assert.True(t, err == nil && waited == 0, "%s: the first one waited for all", other)
			}
			assert.Empty(t, cases["[It] around ordered o4 [lock:k64f, lock:k64f*2]"].Properties, "it is pending")
		})
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	l := newLab(t)
	a, b := l.start("kinds", 4), l.start("kinds", 3, "--randomize-all")
	a.ok()
	b.ok()
	assert.NotContains(t, l.said(), "overlap")
	assert.Equal(t, 24, l.events("release"))
	l.empty()
}

// Text and line do not tell the specs of a loop apart.
func TestSpecsThatLookAlikeGetWhatEachNeeds(t *testing.T) {
	l := newLab(t)
	l.run("doubles", 1).ok()
	for _, line := range []string{"twin 0 has 0", "twin 1 has 1", "twin 2 has 2", "twin 3 has 3", "nameless 1 has 1", "nameless 2 has 2"} {
		assert.True(t, l.says(line), "%s in\n%s", line, l.said())
	}
}

// A preview of the specs costs the nodes outside of containers.
func TestSpecsHoldAfterPreviewSpecs(t *testing.T) {
	l := newLab(t)
	l.run("preview", 1).ok()
	assert.True(t, l.says("ran spec"), l.said())
	assert.Equal(t, 1, l.events("release"))
}

func TestNothingIsTakenForSpecsThatDoNotRun(t *testing.T) {
	l := newLab(t)
	l.run("kinds", 1, "--dry-run").ok()
	assert.Zero(t, l.events("request"))

	l.run("kinds", 1, "--label-filter=lock: containsAny k64f*2").ok()
	// The last is a spec below a container with the label lock:k64f.
	for _, want := range []string{"three", "sum"} {
		assert.True(t, l.says("ran "+want), want)
	}
	assert.False(t, l.says("ran decorator"), "it needs two, but has no label")
	assert.Equal(t, 3, l.events("request"))
	l.run("kinds", 1, "--label-filter=lock:k64f*2").ok()
	assert.Equal(t, 6, l.events("request"))

	// The last spec of an Ordered container is filtered out, and the first.
	l.run("kinds", 1, "--focus=o2").ok()
	assert.Equal(t, 7, l.events("release"))
	l.empty()
}

func TestScarceSpecsStartFirstOnRequest(t *testing.T) {
	l := newLab(t)
	l.run("first", 1, "--seed=1").ok()
	require.False(t, strings.HasPrefix(l.said(), "ran scarce"), "with this seed it would come later")
	before := len(l.said())
	l.run("first", 1, "--seed=1", "FIRST=1").ok()
	said := l.said()[before:]
	assert.True(t, strings.HasPrefix(said, "ran scarce\n"), said)
	assert.True(t, strings.HasSuffix(said, "ran last\nran lowest\n") || strings.HasSuffix(said, "ran lowest\nran last\n"), "those have a priority of their own:\n%s", said)
}
