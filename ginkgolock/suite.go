package ginkgolock

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// A suite lease is taken around the body of BeforeSuite or
// SynchronizedBeforeSuite. In the latter, process 1 sends the grant to the
// others along with the user's data, and they join the lease: from then on each
// of them renews it, so that no process has to outlive the others. Process 1
// gives it back when all others have ended, which is when Ginkgo runs the cleanup
// functions of its part.

// suite wraps the functions of the node.
func (n *node) suite() error {
	if len(n.decl) == 0 {
		n.around(nil)
		return nil
	}
	var funcs []int
	for i, a := range n.args {
		if a != nil && reflect.TypeOf(a).Kind() == reflect.Func {
			funcs = append(funcs, i)
		}
	}
	want := func() []any {
		var args []any
		for _, d := range n.decl {
			more, err := d.check()
			if err != nil {
				ginkgo.Fail(err.Error())
			}
			args = bridge.Together(args, more)
		}
		return args
	}
	switch {
	case n.kind == types.NodeTypeBeforeSuite && len(funcs) == 1:
		body := n.args[funcs[0]]
		n.args[funcs[0]] = func(ctx ginkgo.SpecContext) {
			takeForSuite(ctx, n.at, want(), nil)
			call(body, ctx, nil)
		}
	case n.kind == types.NodeTypeSynchronizedBeforeSuite && len(funcs) == 2:
		first, all := n.args[funcs[0]], n.args[funcs[1]]
		n.args[funcs[0]] = func(ctx ginkgo.SpecContext) []byte {
			h := takeForSuite(ctx, n.at, want(), nil)
			return frame(h.tb.inner.Grant(), call(first, ctx, nil))
		}
		n.args[funcs[1]] = func(ctx ginkgo.SpecContext, data []byte) {
			grant, data := unpack(data)
			if suiteHolding() == nil { // else this is process 1
				takeForSuite(ctx, n.at, want(), grant)
			}
			call(all, ctx, data)
		}
	}
	n.around(nil)
	return nil
}

// takeForSuite acquires, or joins the lease of process 1.
func takeForSuite(ctx ginkgo.SpecContext, at types.CodeLocation, args []any, grant *lockcore.Grant) *holding {
	h := obtain(ctx, &specTB{name: "suite", at: at, whole: true, grant: grant}, args)
	// In any case, also when nothing was obtained: the wait is on record, and that
	// record ends with the test.
	ginkgo.DeferCleanup(func() {
		now.suite.Store(nil)
		h.release(true)
	})
	switch {
	case h.skip:
		ginkgo.Skip(h.words)
	case h.lease == nil:
		failAt(h.fails, h.words, at)
	}
	now.suite.Store(h)
	return h
}

// call runs one of the kinds of functions that Ginkgo takes: with a context or
// without, of two types, and with bytes. Ours has them all, as it cannot have the
// type of whatever it stands for.
func call(f any, ctx ginkgo.SpecContext, data []byte) []byte {
	v := reflect.ValueOf(f)
	var in []reflect.Value
	for i := range v.Type().NumIn() {
		if v.Type().In(i) == reflect.TypeFor[[]byte]() {
			in = append(in, reflect.ValueOf(data))
		} else {
			in = append(in, reflect.ValueOf(ctx))
		}
	}
	if out := v.Call(in); len(out) == 1 {
		b, _ := out[0].Interface().([]byte)
		return b
	}
	return nil
}

// frame puts the grant before the user's data, with its length: what the user
// sends may look like anything.
func frame(grant *lockcore.Grant, data []byte) []byte {
	g, err := json.Marshal(grant)
	if err != nil {
		ginkgo.Fail("ginkgolock: cannot send the lease of the suite to the other processes: " + err.Error())
	}
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(g))), g...), data...)
}

// unpack is the reverse.
func unpack(b []byte) (*lockcore.Grant, []byte) {
	g, data, err := split(b)
	if err != nil {
		ginkgo.Fail("ginkgolock: cannot read what process 1 sent: " + err.Error())
	}
	return g, data
}

func split(b []byte) (*lockcore.Grant, []byte, error) {
	if len(b) < 4 {
		return nil, nil, errors.New("it is too short")
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errors.New("it is cut short")
	}
	g := new(lockcore.Grant)
	if err := json.Unmarshal(b[4:4+n], g); err != nil {
		return nil, nil, err
	}
	if g.Ticket == nil {
		return nil, nil, errors.New("there is no lease in it")
	}
	return g, b[4+n:], nil
}
