package ginkgolock

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// specTB acquires for a spec, an Ordered container or the suite. GinkgoT would
// not do: its Cleanup ends the process where we acquire, and its Context ends
// with nothing.
type specTB struct {
	name    string
	at      types.CodeLocation
	whole   bool // for the whole suite
	grant   *lockcore.Grant
	holding *holding
	ctx     context.Context // while it waits
	report  func() ginkgo.SpecReport
	inner   *lockcore.Lease

	cleanups bridge.Cleanups

	mu    sync.Mutex
	attrs [][2]string
	look  func(context.Context) *lockcore.BusyError
	last  string // said of the wait
}

var (
	_ bridge.Located   = (*specTB)(nil)
	_ bridge.Enclosing = (*specTB)(nil)
	_ bridge.Onlooker  = (*specTB)(nil)
	_ bridge.Joiner    = (*specTB)(nil)
	_ bridge.Sharer    = (*specTB)(nil)
)

// ended is how Fatalf and Skipf leave Acquire.
type ended struct {
	words string
	skip  bool
}

func (t *specTB) Helper()      {}
func (t *specTB) Name() string { return t.name }

// Context ends the wait; after it, nothing else of Acquire depends on it.
func (t *specTB) Context() context.Context {
	if t.ctx == nil {
		return context.Background()
	}
	return t.ctx
}

// Deadline is when the suite will be stopped.
func (t *specTB) Deadline() (time.Time, bool) {
	d := suiteDeadline()
	return d, !d.IsZero()
}

func (t *specTB) Cleanup(f func()) { t.cleanups.Add(f) }

// Failed is for HoldOnFail. Of a suite, nobody knows before all processes end.
func (t *specTB) Failed() bool {
	return t.holding.failed
}

// Skipped and Panicked are for the verdict on record.
func (t *specTB) Skipped() bool  { return t.holding.skipped }
func (t *specTB) Panicked() bool { return t.holding.panicked }

func (t *specTB) Logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	t.mu.Lock()
	t.last = line
	t.mu.Unlock()
	ginkgo.GinkgoWriter.Println(line)
}

// Errorf says that the lease is lost.
func (t *specTB) Errorf(format string, args ...any) { t.holding.lose(fmt.Sprintf(format, args...)) }

// Fatalf panics, for GinkgoT's would fail the spec from inside of Acquire, with
// a line of this package; what failed, and where it was needed, is told by who
// called.
func (t *specTB) Fatalf(format string, args ...any) {
	panic(&ended{fmt.Sprintf(format, args...), false})
}

func (t *specTB) Skipf(format string, args ...any) { panic(&ended{fmt.Sprintf(format, args...), true}) }

// Attr becomes a property of the test case.
func (t *specTB) Attr(key, value string) {
	t.mu.Lock()
	t.attrs = append(t.attrs, [2]string{key, value})
	t.mu.Unlock()
	t.enter(key, value)
}

// enter does nothing for a spec that is not run, though a container may end with
// one: its properties would be those of others.
func (t *specTB) enter(key, value string) {
	if t.report != nil && t.report().State.Is(types.SpecStatePending|types.SpecStateSkipped) {
		return
	}
	var v any = value
	if strings.HasSuffix(key, "_s") {
		v = json.Number(value) // a report shows it without quotes
	}
	ginkgo.AddReportEntry(key, v, ginkgo.ReportEntryVisibilityNever, t.at)
}

// repeat tells another spec of the container what the first one was told. It did
// not wait.
func (t *specTB) repeat() {
	t.mu.Lock()
	attrs := append([][2]string(nil), t.attrs...)
	t.mu.Unlock()
	for _, kv := range attrs {
		if kv[0] == "rtest.waited_s" {
			kv[1] = "0.000"
		}
		if kv[0] != "rtest.blocked_by" {
			t.enter(kv[0], kv[1])
		}
	}
}

// Location implements [bridge.Located].
func (t *specTB) Location() (file string, line int) { return t.at.FileName, t.at.LineNumber }

// Encloses implements [bridge.Enclosing]: whatever else the process acquires is
// for the same spec, or for one within the same container or suite.
func (t *specTB) Encloses() (suite bool) { return t.whole }

// Grant implements [bridge.Joiner].
func (t *specTB) Grant() *lockcore.Grant { return t.grant }

// Granted implements [bridge.Sharer].
func (t *specTB) Granted(l *lockcore.Lease) { t.inner = l }

// Waiting implements [bridge.Onlooker].
func (t *specTB) Waiting(look func(context.Context) *lockcore.BusyError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look = look
}

// lookLimit bounds how long a progress report waits for the store; Ginkgo gives
// it 5 s.
const lookLimit = 2 * time.Second

// progress is what a progress report says of the wait.
func (t *specTB) progress() string {
	t.mu.Lock()
	look, last := t.look, t.last
	t.mu.Unlock()
	if look != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
		defer cancel()
		if b := look(ctx); b != nil {
			return fmt.Sprintf("waiting %s for resources needed at %s:%d%s", b.Waited.Round(100*time.Millisecond), filepath.Base(t.at.FileName), t.at.LineNumber, b.Brief())
		}
	}
	return strings.TrimPrefix(last, "rtest: ")
}
