// Package bridge holds what packages rtest and ginkgolock need of each other
// and users of neither do: rtest must not import Ginkgo, and its own interface
// should stay small. Each side sets its functions in an init function. Nothing
// here is for others: it changes without notice.
package bridge

import (
	"context"
	"errors"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Set by rtest; ginkgolock imports it. The arguments and results are of type
// rtest.Arg.
var (
	// Together adds up what nested declarations ask for to the arguments of one
	// request.
	Together func(outer, inner []any) []any
	// InTurn makes the arguments of one request that serves several users one
	// after the other: of what two ask for, the larger demand counts.
	InTurn func(one, other []any) []any
	// Name gives the requirements that have no name the one that name knows for
	// their pool.
	Name func(args []any, name func(pool any) string) []any
	// Pool identifies the pool of a requirement: the items, whatever is asked of
	// them.
	Pool func(arg any) any
	// Check finds every mistake in arguments that can be found without I/O. Pools
	// that are discovered are not asked.
	Check func(args []any) error
)

// ContextOf is set by ginkgolock: the context of the Ginkgo node that runs now,
// if the value is one of those that GinkgoT and GinkgoTB return; else nil. Their
// own Context ends with neither a time limit nor an interrupt.
var ContextOf func(tb any) context.Context

// Reason is why a lease was lost, without the words that say that it was.
func Reason(err error) string {
	var lost interface{ Reason() string }
	if errors.As(err, &lost) {
		return lost.Reason()
	}
	return err.Error()
}

// What a value that is passed to rtest.Acquire may be able to do besides what
// rtest.TB asks for. The methods are found by type assertion.
type (
	// A Located test says where it is declared. Else it is the line that called
	// Acquire.
	Located interface {
		Location() (file string, line int)
	}
	// While an Enclosing test has a lease, every other Acquire of the process is
	// nested in it. A suite's lease is also what From finds when its lease is nil.
	Enclosing interface{ Encloses() (suite bool) }
	// An Onlooker is given a way to look at the line that it waits in. The result
	// is nil when it does not wait any more, or the store does not answer.
	Onlooker interface {
		Waiting(look func(context.Context) *lockcore.BusyError)
	}
	// A Joiner gets no lease of its own but joins that of another process, if Grant
	// is not nil.
	Joiner interface{ Grant() *lockcore.Grant }
	// A Sharer is told of the lease behind the one that Acquire will return, for
	// other processes to join.
	Sharer interface{ Granted(*lockcore.Lease) }
)

// Cleanups are the functions that a Cleanup method was given. They are safe for
// concurrent use.
type Cleanups struct {
	mu   sync.Mutex
	list []func()
}

// Add appends a function.
func (c *Cleanups) Add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, f)
}

// Run calls them, the last one first, and those that they add.
func (c *Cleanups) Run() {
	for f := c.last(); f != nil; f = c.last() {
		f()
	}
}

func (c *Cleanups) last() (f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.list); n > 0 {
		f, c.list = c.list[n-1], c.list[:n-1]
	}
	return f
}
