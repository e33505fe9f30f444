package rtest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// recorded reads all events of the lab, in order.
func (l *lab) recorded(t *testing.T) []eventlog.Event {
	t.Helper()
	return readEvents(t, l.events)
}

func (l *lab) grants(t *testing.T) []eventlog.Event {
	return slices.DeleteFunc(l.recorded(t), func(e eventlog.Event) bool { return e.Ev != eventlog.Grant })
}

// kinds words what happened to requests of a test.
func kinds(events []eventlog.Event, test string) string {
	var out []string
	for _, e := range events {
		if e.Test.Name == test {
			out = append(out, strings.TrimSpace(string(e.Ev)+" "+string(e.Outcome)))
		}
	}
	return strings.Join(out, ", ")
}

func readEvents(t *testing.T, dir string) []eventlog.Event {
	t.Helper()
	var r eventlog.Reader
	var out []eventlog.Event
	for e, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	if r.Stats.Partial() {
		t.Error(r.Stats.Warning())
	}
	return out
}
