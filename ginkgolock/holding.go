package ginkgolock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// holding is a lease on behalf of a spec, an Ordered container or the suite, or
// what became of the attempt to get one.
type holding struct {
	tb    *specTB
	at    types.CodeLocation
	fails failer       // nil if Ginkgo does not let us
	lease *rtest.Lease // nil: there is none, for the reason in words
	words string
	skip  bool // rather than fail
	// One of the specs has failed.
	failed, panicked bool
	skipped          bool

	mu      sync.Mutex
	cancels map[*context.CancelCauseFunc]struct{} // of the nodes that run
	over    func()                                // what to do when none runs any more
	lost    string                                // the words for it
	told    bool                                  // to Ginkgo
}

type holdingKey struct{}

// obtain waits for what args ask for. It always returns a holding, whose end
// is [holding.release].
func obtain(ctx ginkgo.SpecContext, t *specTB, args []any) (h *holding) {
	h = &holding{tb: t, at: t.at, fails: failerOf(ctx), cancels: make(map[*context.CancelCauseFunc]struct{})}
	t.holding, t.report = h, ctx.SpecReport
	defer ctx.AttachProgressReporter(t.progress)()
	// Ginkgo ends ctx for a timeout or an interrupt, but not for other processes.
	base, stop := heedAbort(ctx)
	defer stop()
	t.ctx = base
	list := make([]rtest.Arg, len(args))
	for i, a := range args {
		list[i], _ = a.(rtest.Arg) // what is none was refused when the tree was built
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *ended:
			h.words, h.skip = r.words, r.skip
		default:
			panic(r)
		}
		t.ctx = nil // the wait is over, and with it what could end it
	}()
	l := rtest.Acquire(t, list...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease = l
	return h
}

// release gives everything back, once no node runs that may still use it: one
// that was stopped by a timeout may have outlived its grace period. now says not
// to wait for that, because the process is about to end.
func (h *holding) release(now bool) {
	h.mu.Lock()
	if len(h.cancels) > 0 && h.lease != nil && !now {
		ginkgo.GinkgoWriter.Printf("ginkgolock: a node has outlived its time limit, and keeps %v until it returns\n", h.lease.Keys())
		h.over = h.tb.cleanups.Run
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	h.tb.cleanups.Run()
	h.mu.Lock()
	words := h.lost
	if h.told {
		words = ""
	}
	h.told = true
	h.mu.Unlock()
	if words != "" {
		failAt(h.fails, words, h.at)
	}
}

// enter notes that a node runs. Its context ends with the lease.
func (h *holding) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancels[&cancel] = struct{}{}
	if h.lost != "" {
		cancel(h.cause())
	}
	return ctx, func() {
		h.mu.Lock()
		delete(h.cancels, &cancel)
		var over func()
		if len(h.cancels) == 0 {
			over, h.over = h.over, nil
		}
		h.mu.Unlock()
		cancel(nil)
		if over != nil {
			over()
		}
	}
}

// lose is called when the lease is lost. Ginkgo is told before the contexts end:
// a node takes the first failure that it hears of for its own, and the assertion
// that trips over the end of the context would be the wrong one. Between two
// nodes nobody is told, because the failure would be taken for that of whatever
// runs next; the next node of the spec does it.
func (h *holding) lose(words string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = words
	if len(h.cancels) == 0 {
		return
	}
	if !h.told {
		h.told = true
		failQuietly(h.fails, words, h.at)
	}
	for cancel := range h.cancels {
		(*cancel)(h.cause())
	}
}

// cause is why contexts end. h.mu is held.
func (h *holding) cause() error {
	if h.lease != nil {
		if err := context.Cause(h.lease.Context()); errors.Is(err, lockcore.ErrLost) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", h.lost, lockcore.ErrLost)
}

// gone reports whether the lease is lost. It asks the lease too: its context ends
// a moment before whoever watches it calls lose, and a node may begin in between.
func (h *holding) gone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost == "" && h.lease != nil {
		if err := context.Cause(h.lease.Context()); errors.Is(err, lockcore.ErrLost) {
			h.lost = fmt.Sprintf("rtest: lost %s: %s", strings.Join(h.lease.Keys(), ", "), bridge.Reason(err))
		}
	}
	return h.lost != ""
}

// isLost returns the words for a lost lease, and notes that they were told.
func (h *holding) isLost() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = h.told || h.lost != ""
	return h.lost
}

// failQuietly fails the running node from another goroutine.
func failQuietly(f failer, words string, at types.CodeLocation) {
	defer func() { _ = recover() }() // the panic is meant for the node's own goroutine
	failAt(f, words, at)
}

// now is what this process holds. Specs of one process run one after the other.
var now struct {
	spec  atomic.Pointer[holding]
	suite atomic.Pointer[holding]
}

func suiteHolding() *holding { return now.suite.Load() }

// before is the ReportBeforeEach: it runs for every spec, also for those that
// will not run.
func before(ctx ginkgo.SpecContext, r ginkgo.SpecReport) {
	p, err := planOf(r)
	if p == nil || r.State != types.SpecStateInvalid {
		if err != nil && r.State == types.SpecStateInvalid {
			ginkgo.Fail(err.Error())
		}
		return // filtered out, pending, a dry run, or failed already
	}
	refuseSuiteLabels(ctx) // before anything is asked of the store
	h := p.begin(ctx, r)
	if h == nil {
		return
	}
	now.spec.Store(h)
	if h.lease == nil && !h.skip {
		failAt(h.fails, h.words, h.at)
	}
	// Skip would be ignored here; the first node of the spec calls it.
}

// begin gets the spec what it needs, or what its container holds already.
func (p *plan) begin(ctx ginkgo.SpecContext, r ginkgo.SpecReport) *holding {
	g := p.group
	switch {
	case g == nil:
		return obtain(ctx, &specTB{name: r.FullText(), at: p.at}, p.args)
	case len(g.args) == 0:
		return nil // all that needs something is pending
	case g.holding == nil:
		g.holding = obtain(ctx, &specTB{name: g.name, at: g.at}, g.args)
	default:
		g.holding.tb.repeat()
	}
	return g.holding
}

// after is the ReportAfterEach.
func after(r ginkgo.SpecReport) {
	p, _ := planOf(r)
	if p == nil {
		return
	}
	h := now.spec.Swap(nil)
	if h != nil {
		h.failed = h.failed || r.Failed()
		h.panicked = h.panicked || r.State.Is(types.SpecStatePanicked)
		h.skipped = p.group == nil && r.State.Is(types.SpecStateSkipped) // of a container, others may have run
	}
	if g := p.group; g != nil {
		if g.reported++; g.reported < g.built {
			return
		}
		h, g.holding = g.holding, nil // the last spec may have been filtered out
	}
	if h != nil {
		h.release(r.State.Is(types.SpecStateInterrupted | types.SpecStateAborted))
	}
}
