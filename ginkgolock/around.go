package ginkgolock

import (
	"context"
	"flag"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

func init() { bridge.ContextOf = contextOf }

// injection wraps a node: it gives it the lease, ends its context with the
// lease, and stops a spec that must not run. It runs around each node, and again
// around each cleanup function that was registered in the node, so it is no place
// to acquire. p is the plan of a spec's own node.
func injection(p *plan) func(context.Context, func(context.Context)) {
	return func(ctx context.Context, body func(context.Context)) {
		refuseSuiteLabels(ctx)
		h, s := now.spec.Load(), suiteHolding()
		if h == nil && p.holds() {
			ginkgo.Fail("ginkgolock: the spec needs resources, but nobody took them: the ReportBeforeEach node of package ginkgolock did not run. PreviewSpecs, called before RunSpecs, removes nodes outside of containers")
		}
		// The suite's comes first, so that a context ends with either of them; who
		// asks for the lease gets the spec's own.
		for _, h := range []*holding{s, h} {
			if h == nil {
				continue
			}
			if h.stops() {
				if h.skip {
					ginkgo.Skip(h.words)
				}
				failAt(h.fails, h.isLost(), h.at)
			}
			var leave func()
			ctx, leave = h.enter(ctx)
			defer leave()
		}
		if h != nil {
			ctx = context.WithValue(ctx, holdingKey{}, h)
		}
		old := nodeContext.Swap(&ctx)
		defer nodeContext.CompareAndSwap(&ctx, old)
		body(ctx)
	}
}

// holds reports whether the spec should hold something when its own node runs.
func (p *plan) holds() bool {
	return p != nil && (p.group == nil || len(p.group.args) > 0)
}

// stops reports whether a node must not run, because its spec has nothing, or
// nothing any more. What cleans up runs all the same.
func (h *holding) stops() bool {
	return (h.skip || h.gone()) && !cleansUp()
}

// cleansUp reports whether the node that runs now is one of those that run after
// a failure.
func cleansUp() bool {
	events := ginkgo.CurrentSpecReport().SpecEvents
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].SpecEventType == types.SpecEventNodeStart {
			return events[i].NodeType.Is(types.NodeTypesAllowedDuringCleanupInterrupt)
		}
	}
	return false
}

// nodeContext is the context of the node that runs now.
var nodeContext atomic.Pointer[context.Context]

// contextOf implements [bridge.ContextOf].
func contextOf(tb any) context.Context {
	// The type is internal to Ginkgo, so only the package that it is of can be
	// asked for. *testing.T and whatever else a user passes have contexts of their
	// own, which are right for them.
	typ := reflect.TypeOf(tb)
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == nil || !strings.HasPrefix(typ.PkgPath(), "github.com/onsi/ginkgo/") {
		return nil
	}
	if ctx := nodeContext.Load(); ctx != nil {
		return *ctx
	}
	return nil
}

// started is a little before Ginkgo's own idea of it, which is not to be had.
var started = time.Now()

// suiteDeadline is when Ginkgo's timeout, or go test's, will end the suite; zero
// if none will.
func suiteDeadline() (deadline time.Time) {
	suite, _ := ginkgo.GinkgoConfiguration()
	limits := []time.Duration{suite.Timeout}
	if f := flag.Lookup("test.timeout"); f != nil {
		d, _ := time.ParseDuration(f.Value.String())
		limits = append(limits, d)
	}
	for _, d := range limits {
		if end := started.Add(d); d > 0 && (deadline.IsZero() || end.Before(deadline)) {
			deadline = end
		}
	}
	return deadline
}
