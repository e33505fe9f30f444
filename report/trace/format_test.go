package trace

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// The fields that an event of the Trace Event Format may have by its phase, and
// those that it must have.
var tracePhases = map[string]struct{ must, may []string }{
	"M": {[]string{"name", "args"}, []string{"tid", "ts"}},
	"X": {[]string{"name", "ts", "dur", "tid"}, []string{"cat", "args"}},
	"b": {[]string{"name", "cat", "id", "ts"}, []string{"tid", "args"}},
	"e": {[]string{"name", "cat", "id", "ts"}, []string{"tid", "args"}},
	"C": {[]string{"name", "ts", "args"}, []string{"tid"}},
	"s": {[]string{"name", "cat", "id", "ts", "tid"}, []string{"args"}},
	"f": {[]string{"name", "cat", "id", "ts", "tid", "bp"}, []string{"args"}},
}

// traceMeta is what metadata events may be called, and the type of their one
// argument.
var traceMeta = map[string]string{
	"process_name": "name", "process_labels": "labels", "process_sort_index": "sort_index",
	"thread_name": "name", "thread_sort_index": "sort_index",
}

// TestTraceKeepsToTheFormat holds each event, as it stands in the file, against the
// rules of the format: which fields it has, of which type, and what belongs
// together.
func TestTraceKeepsToTheFormat(t *testing.T) {
	for name, l := range reporttest.Labs {
		var top map[string]any
		require.NoError(t, json.Unmarshal(labTrace(t, l), &top), name)
		for k := range top {
			assert.Contains(t, []string{"traceEvents", "displayTimeUnit", "otherData"}, k, "at the top of %s", name)
		}
		if unit, ok := top["displayTimeUnit"]; ok {
			assert.Contains(t, []any{"ms", "ns"}, unit)
		}
		events := top["traceEvents"].([]any)
		require.NotEmpty(t, events)
		pairs := map[string]int{} // what begins and has not ended
		for i, x := range events {
			e := x.(map[string]any)
			if err := checkTraceEvent(e, pairs); err != nil {
				t.Fatalf("%s: event %d: %v: %v", name, i, err, e)
			}
		}
		for k, n := range pairs {
			assert.Zero(t, n, "%s: %s has no end", name, k)
		}
	}
}

// checkTraceEvent checks one event.
func checkTraceEvent(e map[string]any, pairs map[string]int) error {
	ph, _ := e["ph"].(string)
	fields, ok := tracePhases[ph]
	if !ok {
		return fmt.Errorf("phase %v", e["ph"])
	}
	for _, k := range append([]string{"ph", "pid"}, fields.must...) {
		if _, ok := e[k]; !ok {
			return fmt.Errorf("%s is missing", k)
		}
	}
	for k, v := range e {
		if k != "ph" && k != "pid" && !slices.Contains(fields.must, k) && !slices.Contains(fields.may, k) {
			return fmt.Errorf("a %s has no %s", ph, k)
		}
		if !traceType(k, v) {
			return fmt.Errorf("%s is %v", k, v)
		}
	}
	args, _ := e["args"].(map[string]any)
	id := fmt.Sprint(e["cat"], " ", e["id"], " ", e["name"])
	switch ph {
	case "M":
		what, ok := traceMeta[e["name"].(string)]
		if _, has := args[what]; !ok || !has || len(args) != 1 {
			return fmt.Errorf("metadata")
		}
	case "C":
		for k, v := range args {
			if _, ok := v.(float64); !ok {
				return fmt.Errorf("counter %s is no number", k)
			}
		}
		if len(args) == 0 {
			return fmt.Errorf("a counter of nothing")
		}
	case "b", "s":
		pairs[id]++
		if pairs[id] != 1 {
			return fmt.Errorf("%s begins twice", id)
		}
	case "e", "f":
		pairs[id]--
		if pairs[id] != 0 {
			return fmt.Errorf("%s ends before it begins", id)
		}
	}
	return nil
}

// traceType reports whether a field has the type that it must have: microseconds
// are numbers, processes and threads whole ones, the rest strings.
func traceType(key string, v any) bool {
	switch key {
	case "ts", "dur":
		f, ok := v.(float64)
		return ok && f >= 0
	case "pid", "tid":
		f, ok := v.(float64)
		return ok && f == math.Trunc(f) && f >= 0 && f < 1<<31
	case "args":
		_, ok := v.(map[string]any)
		return ok
	case "bp":
		return v == "e"
	case "id", "name", "cat", "ph":
		s, ok := v.(string)
		return ok && s != ""
	}
	return false
}
