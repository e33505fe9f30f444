package ginkgolock

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/rtest"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// Ginkgo shows every node to a transformer of arguments while the tree is built.
// That is where declarations are collected, mistakes in them are reported and
// the nodes that acquire and release are put into the tree.
//
// Those are ReportBeforeEach and ReportAfterEach. Measured: what waits in
// BeforeEach, or in a function around nodes, counts into the run time and against
// SpecTimeout; what waits in ReportBeforeEach counts into neither, and yet the
// timeout of the suite and interrupts end it. And they run once for a spec,
// however many attempts it takes, and after every cleanup function of it; an
// OncePerOrdered BeforeEach, the obvious place for an Ordered container, has its
// cleanup run before that of BeforeAll, or with the next spec.
//
// They go into each outermost container, rather than once beside all containers:
// PreviewSpecs makes a later RunSpecs forget all nodes outside of containers, and
// specs would run without what they need. Only specs that stand outside
// themselves are served by a pair outside.

func init() { ginkgo.AddTreeConstructionNodeArgsTransformer(transform) }

// build is the state of the construction, which is on one goroutine.
var build struct {
	at      *scope  // the container that is being entered
	own     bool    // the node under construction is one of ours
	outside []*plan // of specs outside of containers
	wrong   []error // in the outermost container that is being entered
}

// scope is a container whose body runs.
type scope struct {
	parent      *scope
	decl        []declaration
	at          types.CodeLocation
	text        string
	group       *group // of the outermost Ordered container at or above
	pending     bool
	prioritized bool
	busy        bool // something in it needs something; kept in the outermost one
}

func (s *scope) outermost() *scope {
	for s.parent != nil {
		s = s.parent
	}
	return s
}

func transform(kind types.NodeType, offset ginkgo.Offset, text string, args []any) (string, []any, []error) {
	if build.own {
		return text, args, nil
	}
	n := node{kind: kind, text: text, at: locationOf(args, int(offset)+1)}
	for _, a := range args {
		if m, ok := a.(mistakes); ok {
			return text, nil, m.list
		}
		if d, ok := declarationOf(a); ok {
			n.decl = append(n.decl, d)
			continue
		}
		n.note(a)
		n.args = append(n.args, a)
	}
	switch err := n.transform(); {
	case err == nil:
	case build.at == nil:
		return text, nil, []error{err}
	default:
		// The container goes on, so that all its mistakes are told at once.
		build.wrong = appendNew(build.wrong, err)
	}
	return n.text, n.args, nil
}

// mistakes are an argument that makes Ginkgo report errors found outside of a
// transformation, as it reports those found inside: each with its line. A slice
// would be taken apart before it gets there.
type mistakes struct{ list []error }

// report ends the construction, if there is anything wrong.
func report(wrong []error) {
	if len(wrong) > 0 {
		ginkgo.BeforeEach(mistakes{wrong})
	}
}

// appendNew adds the error unless it is there: what is wrong with a container is
// found again in each of its specs.
func appendNew(wrong []error, err error) []error {
	if slices.Contains(wrong, err) {
		return wrong
	}
	return append(wrong, err)
}

// node is a node under construction.
type node struct {
	kind        types.NodeType
	text        string
	at          types.CodeLocation
	args        []any
	decl        []declaration
	ordered     bool
	pending     bool
	prioritized bool
}

// note takes from an argument what matters here.
func (n *node) note(a any) {
	switch a := a.(type) {
	case ginkgo.Labels:
		d := declaration{at: n.at, labels: true}
		for _, l := range a {
			if lock, ok := strings.CutPrefix(strings.TrimSpace(l), labelPrefix); ok {
				d.locks = append(d.locks, lock)
			}
		}
		if len(d.locks) > 0 {
			n.decl = append(n.decl, d)
		}
	case ginkgo.SpecPriority:
		n.prioritized = true
	default:
		n.ordered = n.ordered || a == any(ginkgo.Ordered)
		n.pending = n.pending || a == any(ginkgo.Pending)
	}
}

func (n *node) transform() error {
	switch n.kind {
	case types.NodeTypeContainer:
		return n.container()
	case types.NodeTypeIt:
		return n.spec()
	case types.NodeTypeBeforeSuite, types.NodeTypeSynchronizedBeforeSuite:
		return n.suite()
	}
	if len(n.decl) > 0 {
		return mistake(n.decl[0].at, "Needs and Lock decorate specs, containers, BeforeSuite and SynchronizedBeforeSuite; on %s they mean nothing", n.kind)
	}
	n.around(nil)
	return nil
}

// around puts the injection of the lease around the node.
func (n *node) around(p *plan) {
	if n.kind.Is(types.NodeTypesAllowedDuringReportInterrupt) {
		return // they run where there is no lease, or not any more
	}
	n.args = append(n.args, types.AroundNode(injection(p), n.at))
}

// container wraps the body, to know what is inside of it. The names of pools are
// looked up when the body runs, which for outermost containers is in RunSpecs:
// before, not all pools may be registered.
func (n *node) container() error {
	i := slices.IndexFunc(n.args, func(a any) bool { _, ok := a.(func()); return ok })
	if i < 0 {
		return nil // Ginkgo has the words for it
	}
	body := n.args[i].(func())
	parent := build.at
	n.args[i] = func() {
		s := &scope{parent: parent, decl: n.decl, at: n.at, text: n.text, pending: n.pending, prioritized: n.prioritized}
		if parent != nil {
			s.group, s.pending, s.prioritized = parent.group, parent.pending || n.pending, parent.prioritized || n.prioritized
		}
		leads := n.ordered && s.group == nil
		if leads {
			s.group = &group{name: s.path(), at: s.at}
		}
		// By defer, since a body may panic, and Ginkgo goes on to report it.
		build.at = s
		defer func() { build.at = parent }()
		for _, d := range n.decl {
			if _, err := d.check(); err != nil {
				build.wrong = appendNew(build.wrong, err)
			}
		}
		body()
		if leads {
			if err := bridge.Check(s.group.args); err != nil {
				build.wrong = appendNew(build.wrong, mistake(s.at, "an Ordered container holds at once what any of its specs needs, and %v. Make it several containers, or need less", err))
			}
		}
		if parent != nil {
			return
		}
		report(build.wrong)
		if s.busy {
			pushPair(s.at, false)
		}
	}
	return nil
}

// path is the text of the container, with those around it.
func (s *scope) path() string {
	if s.parent == nil {
		return s.text
	}
	return strings.TrimSpace(s.parent.path() + " " + s.text)
}

// spec makes the plan of a spec.
func (n *node) spec() error {
	s := build.at
	p := &plan{at: n.at}
	var chain []declaration
	for o := s; o != nil; o = o.parent {
		chain = append(slices.Clone(o.decl), chain...)
	}
	p.chain = append(chain, n.decl...)
	if s != nil {
		p.group = s.group
		for _, d := range n.decl {
			if _, err := d.check(); err != nil {
				return err
			}
		}
		if err := p.resolve(); err != nil {
			return err
		}
		if !requires(p.args) {
			if len(n.decl) > 0 {
				return nothingNeeded(n.decl[0].at)
			}
			p.chain, p.args = nil, nil // the options of a container concern others
		}
	}
	if len(p.chain) == 0 && p.group == nil {
		n.around(nil)
		return nil
	}
	n.text = p.register(n.text, s)
	n.around(p)
	if s == nil {
		build.outside = append(build.outside, p)
		if len(build.outside) == 1 {
			pushPair(n.at, true)
			pushCheck(n.at)
		}
	}
	if s != nil && len(p.chain) > 0 {
		s.outermost().busy = true
	}
	if p.group != nil {
		// Those that will not run count, as they are reported too; what they need does
		// not, where that is known now already.
		p.group.built++
		if !s.pending && !n.pending {
			p.group.args = bridge.InTurn(p.group.args, p.args)
		}
	}
	if v := startFirst.Load(); v != 0 && len(p.chain) > 0 && !n.prioritized && (s == nil || !s.prioritized) {
		n.args = append(n.args, ginkgo.SpecPriority(v))
	}
	return nil
}

// StartFirst gives the specs that need something a priority of Ginkgo's, unless
// they or a container of theirs have one: above 0, they start before others, so
// that the long wait for a scarce resource does not come last. Ginkgo then also
// starts them beside each other, where they may wait for each other while other
// specs could run. Call it before RunSpecs; 0, the default, leaves the order
// alone. Specs outside of containers keep their priority.
func StartFirst(priority int) { startFirst.Store(int64(priority)) }

var startFirst atomic.Int64

// pushPair puts the nodes that acquire and release at the end of the container,
// or beside all containers.
func pushPair(at types.CodeLocation, outside bool) {
	build.own = true
	defer func() { build.own = false }()
	mine := func(r ginkgo.SpecReport) bool { return !outside || len(r.ContainerHierarchyTexts) == 0 }
	ginkgo.ReportBeforeEach(func(ctx ginkgo.SpecContext, r ginkgo.SpecReport) {
		if mine(r) {
			before(ctx, r)
		}
	}, at)
	ginkgo.ReportAfterEach(func(ctx ginkgo.SpecContext, r ginkgo.SpecReport) {
		if mine(r) {
			after(r)
		}
	}, at)
}

// pushCheck resolves what specs outside of containers need. They are made while
// package variables are, when the pool that a label names may not be registered
// yet; the body of a container, even of one without specs, runs in RunSpecs,
// where a mistake still ends the construction instead of failing the spec.
func pushCheck(at types.CodeLocation) {
	build.own = true
	defer func() { build.own = false }()
	ginkgo.Describe("", func() {
		var wrong []error
		for _, p := range build.outside {
			err := p.resolve()
			if err == nil && !requires(p.args) {
				err = nothingNeeded(p.chain[0].at)
			}
			if err != nil {
				wrong = appendNew(wrong, err)
			}
		}
		report(wrong)
	}, at)
}

// requires reports whether there is a requirement among the arguments. Options
// alone mean something on a container, for the requirements inside of it.
func requires(args []any) bool {
	return slices.ContainsFunc(args, func(a any) bool { _, option := a.(rtest.Option); return !option })
}

// nothingNeeded is for a list that came out empty: specs would run without what
// they were meant to have.
func nothingNeeded(at types.CodeLocation) error {
	return mistake(at, "Needs or Lock was given no requirement, so there is nothing to hold: say what is needed, as in ginkgolock.Needs(rtest.R(\"board-1\")), or leave it out")
}

// check resolves the declaration, and words what is wrong with it.
func (d declaration) check() ([]any, error) {
	if len(d.args)+len(d.locks) == 0 {
		return nil, nothingNeeded(d.at)
	}
	args, err := d.resolve()
	if err == nil {
		err = bridge.Check(args)
	}
	if err != nil {
		return nil, mistake(d.at, "%v", err)
	}
	return args, nil
}

func mistake(at types.CodeLocation, format string, args ...any) error {
	return types.GinkgoError{Heading: "ginkgolock: these resources cannot be had", Message: fmt.Sprintf(format, args...), CodeLocation: at}
}

// locationOf is where the node stands in the user's code. The offset that Ginkgo
// gives is wrong for the entries of a table, which bring their location along.
func locationOf(args []any, offset int) types.CodeLocation {
	at := types.NewCodeLocation(offset)
	for _, a := range args {
		if c, ok := a.(types.CodeLocation); ok && reflect.TypeOf(a) == reflect.TypeFor[types.CodeLocation]() {
			at = c
		}
	}
	return at
}
