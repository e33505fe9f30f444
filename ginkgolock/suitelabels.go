package ginkgolock

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
)

// A lock label on RunSpecs looks as if every spec, or the suite, held something,
// and would hold nothing: Ginkgo shows the labels of a suite to no transformer
// and to no node but those that report on the whole suite, which would be one
// more test case in every JUnit file. To honour them is not possible, since the
// tree, into which the nodes that acquire go, is complete before they are known.
// To pass over them would let specs run side by side that were declared not to.
// So the first node that runs ends the suite.
//
// They are read from unexported fields. Should Ginkgo rename those, the labels
// are ignored again, and a test of this package says so.

var suiteLabelsOnce sync.Once

// refuseSuiteLabels ends the suite if RunSpecs was given a lock label. ctx is
// that of any node.
func refuseSuiteLabels(ctx context.Context) {
	suiteLabelsOnce.Do(func() {
		for _, l := range suiteLabels(ctx) {
			l = strings.TrimSpace(l)
			if lock, ok := strings.CutPrefix(l, labelPrefix); ok {
				ginkgo.AbortSuite(fmt.Sprintf("ginkgolock: RunSpecs was given the label %q, which nothing can hold: Ginkgo tells of it when all specs are made already. "+
					"Put it on containers, for their specs; or decorate BeforeSuite or SynchronizedBeforeSuite with ginkgolock.Lock(%q), for the whole suite", l, lock))
			}
		}
	})
}

// specContextKey is a key of Ginkgo's, for such as Gomega: the context of a node,
// in any context that is derived from it.
const specContextKey = "GINKGO_SPEC_CONTEXT"

// suiteLabels are the labels that RunSpecs was given.
func suiteLabels(ctx context.Context) (labels []string) {
	v := reflect.ValueOf(ctx.Value(specContextKey))
	for _, field := range []string{"suite", "report", "SuiteLabels"} {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return nil
		}
		v = v.FieldByName(field)
	}
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.String {
		return nil
	}
	for i := range v.Len() {
		labels = append(labels, v.Index(i).String())
	}
	return labels
}
