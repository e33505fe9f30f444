package ginkgolock

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
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
	assert.True(t, runs(t, nil), "of a spec that needs nothing")
	assert.False(t, runs(t, &plan{}))
	assert.True(t, runs(t, &plan{group: &group{}}), "in a container that needs nothing")
	assert.False(t, runs(t, &plan{group: &group{args: []any{"chamber"}}}))
}

// runs reports whether the injection of a plan lets its node run.
func runs(t *testing.T, p *plan) (ran bool) {
	defer func() { _ = recover() }() // Fail leaves so
	injection(p)(t.Context(), func(context.Context) { ran = true })
	return ran
}

// silent is a test that its lease cannot reach: between the moment at which a
// lease is lost and that at which the test is told, a node may begin.
type silent struct{ testing.TB }

func (silent) Errorf(string, ...any) {}

// losing is a store that has lost every lease when it is asked to renew it.
type losing struct{ lockcore.Store }

func (losing) Renew(_ context.Context, grants []*lockcore.Grant) ([]error, error) {
	return slices.Repeat([]error{lockcore.ErrLost}, len(grants)), nil
}

func TestNoNodeBeginsOnALeaseThatIsLost(t *testing.T) {
	locker := lockcore.New(losing{memstore.New(nil)}, nil)
	t.Cleanup(func() { locker.Close() })
	lease := rtest.Acquire(silent{t}, rtest.R("chamber"), rtest.Using(locker), rtest.TTL(300*time.Millisecond))
	h := &holding{tb: &specTB{}, lease: lease, cancels: map[*context.CancelCauseFunc]struct{}{}}
	now.spec.Store(h)
	t.Cleanup(func() { now.spec.Store(nil) })
	<-lease.Context().Done()
	assert.False(t, runs(t, nil))
	assert.Regexp(t, "^rtest: lost chamber: ", h.lost)
	assert.True(t, h.told, "Fail was called with these words")
}

// A lease that its spec gave back early is not lost: what comes after that runs.
func TestNodesRunAfterAnEarlyRelease(t *testing.T) {
	locker := lockcore.New(memstore.New(nil), nil)
	t.Cleanup(func() { locker.Close() })
	lease := rtest.Acquire(t, rtest.R("chamber"), rtest.Using(locker))
	h := &holding{tb: &specTB{}, lease: lease, cancels: map[*context.CancelCauseFunc]struct{}{}}
	now.spec.Store(h)
	t.Cleanup(func() { now.spec.Store(nil) })
	lease.Release()
	require.Error(t, lease.Context().Err())
	assert.True(t, runs(t, nil))
	assert.Empty(t, h.lost)
}

// Without a suite around it, so that a context which does not end is seen at
// once, and not when the limit of a whole run is over.
func TestTheContextOfEveryNodeEndsWithTheLease(t *testing.T) {
	for name, c := range map[string]struct {
		plan  *plan
		place *atomic.Pointer[holding]
	}{
		"a setup node":             {nil, &now.spec},
		"the node of the spec":     {&plan{}, &now.spec},
		"any node, of the suite's": {nil, &now.suite},
	} {
		t.Run(name, func(t *testing.T) {
			h := &holding{tb: &specTB{}, cancels: map[*context.CancelCauseFunc]struct{}{}}
			c.place.Store(h)
			defer c.place.Store(nil)
			ran := false
			injection(c.plan)(t.Context(), func(ctx context.Context) {
				ran = true
				require.NoError(t, ctx.Err())
				if c.place == &now.spec {
					assert.Same(t, h, ctx.Value(holdingKey{}), "Lease finds it there")
				}
				if at := nodeContext.Load(); assert.NotNil(t, at) {
					assert.Equal(t, ctx, *at, "GinkgoTB finds it there")
				}
				h.lose("it is gone")
				assert.ErrorIs(t, context.Cause(ctx), lockcore.ErrLost)
				assert.ErrorContains(t, context.Cause(ctx), "it is gone")
			})
			assert.True(t, ran)
			assert.Empty(t, h.cancels, "it does not count as running any more")
			assert.True(t, h.told)
			// What cleans up runs all the same, on a context that has ended.
			ctx, leave := h.enter(t.Context())
			defer leave()
			assert.ErrorIs(t, context.Cause(ctx), lockcore.ErrLost)
		})
	}
}
