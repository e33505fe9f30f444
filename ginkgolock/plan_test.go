package ginkgolock

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Ginkgo that copies the texts of specs would leave line and text to find a
// plan by. Who guesses which of two it is would run a spec without what it needs.
func TestPlansAreFoundInAReportWithCopiedTexts(t *testing.T) {
	single, one, two := &plan{}, &plan{}, &plan{}
	file := fmt.Sprintf("copied-%p_test.go", single) // with -count, those of the run before are still there
	single.at = types.CodeLocation{FileName: file, LineNumber: 1}
	one.at = types.CodeLocation{FileName: file, LineNumber: 2}
	two.at = one.at
	inside := &scope{parent: &scope{text: "outer"}, text: "inner"}
	for _, p := range []*plan{single, one, two} {
		text := p.register("spec", inside)
		assert.Equal(t, "spec", text)
		found, err := planOf(ginkgo.SpecReport{LeafNodeText: text})
		require.NoError(t, err)
		assert.Same(t, p, found)
	}
	report := ginkgo.SpecReport{LeafNodeText: strings.Clone("spec"), ContainerHierarchyTexts: []string{"outer", "inner"}, LeafNodeLocation: single.at}
	found, err := planOf(report)
	require.NoError(t, err)
	assert.Same(t, single, found)
	report.LeafNodeLocation = one.at
	_, err = planOf(report)
	assert.ErrorContains(t, err, "2 specs at "+file+`:2 are called "outer inner spec"`)
	report.LeafNodeText = "another"
	found, err = planOf(report)
	require.NoError(t, err)
	assert.Nil(t, found)
}

// Should the nodes that acquire be missing, for a reason nobody knows yet, the
// spec must not run.
func TestASpecForWhichNobodyTookAnythingDoesNotRun(t *testing.T) {
	run := func(p *plan) (ran bool) {
		defer func() { _ = recover() }() // Fail leaves so
		injection(p)(t.Context(), func(context.Context) { ran = true })
		return ran
	}
	assert.True(t, run(nil), "of a spec that needs nothing")
	assert.False(t, run(&plan{}))
	assert.True(t, run(&plan{group: &group{}}), "in a container that needs nothing")
	assert.False(t, run(&plan{group: &group{args: []any{"chamber"}}}))
}
