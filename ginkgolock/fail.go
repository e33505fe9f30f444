package ginkgolock

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// ginkgo.Fail takes the line of its caller for the place of the failure. When a
// wait was in vain, or a lease is lost, that would be a line of this package: the
// user's code is not on the stack. What keeps failures takes any place, but stands
// in an unexported field of what a node's context leads to. Should Ginkgo rename
// it, failures point here again, and a test of this package says so.

// failer is how Ginkgo keeps the failure of a node.
type failer interface {
	Fail(message string, at types.CodeLocation)
}

// failerOf returns nil if it cannot be reached. ctx is that of any node.
func failerOf(ctx context.Context) failer {
	v := reflect.ValueOf(ctx.Value(specContextKey))
	for _, field := range []string{"suite", "failer"} {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || !v.CanAddr() {
			return nil
		}
		if v = v.FieldByName(field); !v.IsValid() {
			return nil
		}
	}
	f, _ := reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem().Interface().(failer)
	return f
}

// failAt fails the node that runs, with the line at which something was needed. It
// does not return.
func failAt(f failer, words string, at types.CodeLocation) {
	if f == nil {
		ginkgo.Fail(words + "; needed at " + at.String())
	}
	f.Fail(words, at)
	ginkgo.Fail(words) // leaves the node; the first failure counts
}
