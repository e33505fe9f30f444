package ginkgolock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
	"github.com/resourcelocker/resourcelocker/rtest"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// Needs decorates a spec, a table entry or a container with requirements, and
// options of rtest. It adds up with what the containers around it need. On
// SynchronizedBeforeSuite it means one lease for all parallel processes, on
// BeforeSuite one for each. Options without a requirement, on a container, are for
// the requirements inside of it. A mistake in args ends the construction of the suite
// with the line of this call.
func Needs(args ...rtest.Arg) []any {
	d := declaration{at: callerOf(1)}
	for _, a := range args {
		d.args = append(d.args, a)
	}
	return declare(d)
}

// Lock is Needs for pools that have a name, written as in labels, without the
// prefix: "k64f", "k64f*2", "staging:shared". It puts no label on the spec, so
// test cases keep their names in reports.
func Lock(locks ...string) []any {
	return declare(declaration{at: callerOf(1), locks: locks})
}

// Pool names a requirement, so that Label("lock:name"), Label("lock:name*2") and
// Label("lock:name:shared") ask for one of it, two, and one for reading. It
// returns the requirement under that name, for its From method. A pool of the
// inventory, see [rtest.Pool], needs no such call. Call it before
// RunSpecs: as a package variable or in an init function. It panics when the
// name is taken or cannot stand in a label.
func Pool[T any](name string, r rtest.Requirement[T]) rtest.Requirement[T] {
	if err := checkName(name); err != nil {
		panic("ginkgolock: Pool: " + err.Error())
	}
	r = r.Named(name)
	pools.Lock()
	defer pools.Unlock()
	if _, taken := pools.byName[name]; taken {
		panic(fmt.Sprintf("ginkgolock: Pool: there is a pool named %q already", name))
	}
	if pools.byName == nil {
		pools.byName = make(map[string]func(wanted) any)
	}
	if pools.names == nil {
		pools.names = make(map[any]string)
	}
	pool := bridge.Pool(r)
	if _, named := pools.names[pool]; !named {
		pools.names[pool] = name
	}
	pools.byName[name] = func(w wanted) any {
		if w.shared {
			return r.Need(w.n).Shared()
		}
		return r.Need(w.n)
	}
	return r
}

var pools struct {
	sync.Mutex
	byName map[string]func(wanted) any
	names  map[any]string // of the pools, by what [bridge.Pool] returns
}

// nameOf is what Pool called the pool first; "" if it was not called for it.
func nameOf(pool any) string {
	pools.Lock()
	defer pools.Unlock()
	return pools.names[pool]
}

// lookUp turns what a label or Lock says into an argument of rtest.Acquire.
func lookUp(lock string) (any, error) {
	w, err := parseLock(lock)
	if err != nil {
		return nil, err
	}
	pools.Lock()
	defer pools.Unlock()
	if f, ok := pools.byName[w.pool]; ok {
		return f(w), nil
	}
	problem := listed(w.pool)
	if problem == nil {
		r := rtest.Pool(w.pool).Need(w.n)
		if w.shared {
			r = r.Shared()
		}
		return r, nil
	}
	known := slices.Sorted(maps.Keys(pools.byName))
	also := ""
	if !errors.Is(problem, inventory.ErrNone) {
		also = ", and the inventory does not help: " + problem.Error()
	}
	if len(known) == 0 {
		return nil, fmt.Errorf("there is no pool named %q: none was registered with ginkgolock.Pool%s", w.pool, also)
	}
	return nil, fmt.Errorf("there is no pool named %q; ginkgolock.Pool was called for %s%s", w.pool, strings.Join(known, ", "), also)
}

// listed returns nil if the inventory that RTEST_POOLS names has the pool.
func listed(name string) error {
	source, err := inventory.Default()
	if err != nil {
		return err
	}
	v, err := source.Read(context.Background())
	if err != nil {
		return err
	}
	_, err = v.Pool(name)
	return err
}

// Lease is the lease of the spec that the context belongs to: that of a node, in
// BeforeEach, It, AfterEach, DeferCleanup or any other, or one derived from it.
// A spec that needs nothing itself has the lease of the suite, if there is one.
// It fails the spec when there is no lease.
func Lease(ctx context.Context) *rtest.Lease {
	ginkgo.GinkgoHelper()
	if ctx == nil {
		ginkgo.Fail("ginkgolock: Lease: the context is nil; give it that of the node: func(ctx SpecContext) { ... }")
	}
	h, ok := ctx.Value(holdingKey{}).(*holding)
	switch {
	case ok && h.lease != nil:
		return h.lease
	case ok && h.skip:
		ginkgo.Skip(h.words)
	case ok && h.words != "":
		ginkgo.Fail(h.words)
	}
	if s := suiteHolding(); s != nil && s.lease != nil {
		return s.lease
	}
	ginkgo.Fail("ginkgolock: Lease: nothing is held here. The spec, or a container around it, must be decorated with ginkgolock.Needs or a lock label, and the context must be that of one of its nodes: func(ctx SpecContext) { ... }")
	return nil
}

// declaration is what one decorator, or the labels of one node, ask for.
type declaration struct {
	args   []any
	locks  []string
	labels bool // locks are labels
	at     types.CodeLocation
}

// resolve looks up the pools. A requirement without a name is called as the pool
// is, so that Needs(r) and the label of r's pool add up to one requirement. The
// error tells of every label that is wrong.
func (d declaration) resolve() ([]any, error) {
	args := bridge.Name(d.args, nameOf)
	var wrong []error
	for _, l := range d.locks {
		arg, err := lookUp(l)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		args = bridge.Together(args, []any{arg})
	}
	return args, errors.Join(wrong...)
}

// declared are all declarations, by the marks on what stands for them.
var declared struct {
	sync.Mutex
	list []declaration
}

const mark = "ginkgolock declaration "

// declare returns a decorator that stands for the declaration. It has to be of a
// type that Ginkgo knows: Entry takes all else for parameters of the table.
func declare(d declaration) []any {
	declared.Lock()
	defer declared.Unlock()
	at := d.at
	at.FullStackTrace = mark + strconv.Itoa(len(declared.list))
	declared.list = append(declared.list, d)
	return []any{types.AroundNodeDecorator{
		Body: func(context.Context, func(context.Context)) {
			ginkgo.Fail(fmt.Sprintf("ginkgolock: Needs at %s stands where it means nothing: it decorates specs, containers, BeforeSuite and SynchronizedBeforeSuite", d.at))
		},
		CodeLocation: at,
	}}
}

// declarationOf finds what an argument of a node stands for.
func declarationOf(arg any) (declaration, bool) {
	a, ok := arg.(types.AroundNodeDecorator)
	if !ok {
		return declaration{}, false
	}
	number, ok := strings.CutPrefix(a.CodeLocation.FullStackTrace, mark)
	if !ok {
		return declaration{}, false
	}
	i, err := strconv.Atoi(number)
	declared.Lock()
	defer declared.Unlock()
	if err != nil || i >= len(declared.list) {
		return declaration{}, false
	}
	return declared.list[i], true
}

func callerOf(skip int) types.CodeLocation {
	_, file, line, _ := runtime.Caller(skip + 1)
	return types.CodeLocation{FileName: file, LineNumber: line}
}
