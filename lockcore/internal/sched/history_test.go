package sched

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestHistoryOfSeveralProcessesIsMerged(t *testing.T) {
	var a, b, disk History
	a.add("x", 1, []time.Duration{10})
	if !a.Rebase(&disk) {
		t.Fatal("a learned something and says that it did not")
	}
	stored := a.Append(nil)

	b.add("x", 2, []time.Duration{20})
	b.add("y", 3, []time.Duration{30})
	read, err := DecodeHistory(stored)
	if err != nil {
		t.Fatal(err)
	}
	b.Rebase(read)
	stored = b.Append(nil)

	a.add("x", 4, []time.Duration{40})
	if read, err = DecodeHistory(stored); err != nil {
		t.Fatal(err)
	}
	a.Rebase(read)
	if got, want := a.tests["x"].last, []time.Duration{10, 20, 40}; !reflect.DeepEqual(got, want) {
		t.Errorf("holds of x: got %v, want %v", got, want)
	}
	if got, want := a.tests["y"].last, []time.Duration{30}; !reflect.DeepEqual(got, want) {
		t.Errorf("holds of y: got %v, want %v", got, want)
	}
	if read, _ = DecodeHistory(a.Append(nil)); a.Rebase(read) {
		t.Error("nothing was learned since, and it says that something was")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h History
	for i := range historyKept + 10 {
		for j := range holdsKept + 5 {
			h.add(fmt.Sprint("test ", i), int64(i), []time.Duration{time.Duration(j)})
		}
	}
	if len(h.tests) != historyKept || h.tests["test 0"] != nil {
		t.Errorf("%d tests are remembered, want the last %d", len(h.tests), historyKept)
	}
	last := h.tests[fmt.Sprint("test ", historyKept)].last
	if len(last) != holdsKept || last[0] != 5 {
		t.Errorf("holds %v are remembered, want the last %d", last, holdsKept)
	}
}

func FuzzDecodeHistory(f *testing.F) {
	var h History
	h.add("x", 1, []time.Duration{10, 20})
	f.Add(h.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHistory(data)
		if err != nil {
			return
		}
		again, err := DecodeHistory(h.Append(nil))
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Errorf("decoded %v, then %v, %v", h, again, err)
		}
	})
}
