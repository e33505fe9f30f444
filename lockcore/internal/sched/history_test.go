package sched

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestHistoryOfSeveralProcessesIsMerged(t *testing.T) {
	var a, b, disk History
	a.add("\x00x", 1, []time.Duration{10})
	if !a.Rebase(&disk) {
		t.Fatal("a learned something and says that it did not")
	}
	stored := a.Append(nil)

	b.add("\x00x", 2, []time.Duration{20})
	b.add("\x00y", 3, []time.Duration{30})
	read, err := DecodeHistory(stored)
	if err != nil {
		t.Fatal(err)
	}
	b.Rebase(read)
	stored = b.Append(nil)

	a.add("\x00x", 4, []time.Duration{40})
	if read, err = DecodeHistory(stored); err != nil {
		t.Fatal(err)
	}
	a.Rebase(read)
	if got, want := a.tests["\x00x"].last, []time.Duration{10, 20, 40}; !reflect.DeepEqual(got, want) {
		t.Errorf("holds of x: got %v, want %v", got, want)
	}
	if got, want := a.tests["\x00y"].last, []time.Duration{30}; !reflect.DeepEqual(got, want) {
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

// TestUsages: one line a test and what it asked for, sorted; the outliers show,
// and what is too old to count does not.
func TestUsages(t *testing.T) {
	var s State
	reqs := []lockcore.Requirement{{Name: "boards", Candidates: []lockcore.Candidate{{Key: "b"}}}, {Candidates: []lockcore.Candidate{{Key: "c"}}}}
	at := int64(time.Hour)
	hold := func(test string, d time.Duration) {
		tk := &lockcore.Ticket{ID: "t", Requirements: reqs, Owner: lockcore.Owner{Package: "p", Test: test}, TTL: time.Hour}
		if g, _ := s.Ask(at, tk, "", func(int) int { return 0 }); g == nil {
			t.Fatal("nobody holds, and it is not granted")
		}
		at += int64(d)
		s.Release(at, "t", 0, lockcore.Released, nil)
	}
	hold("TestOld", time.Second)
	at += int64(historyAge)
	hold("TestZ", time.Second)
	for _, d := range []time.Duration{3 * time.Second, 5 * time.Minute, 2 * time.Second} {
		hold("TestA/sub", d)
	}
	names := []string{"boards", ""}
	want := []lockcore.Usage{
		{Package: "p", Test: "TestA/sub", Requirements: names, Holds: 3, Median: 3 * time.Second, Shortest: 2 * time.Second, Longest: 5 * time.Minute, Last: time.Unix(0, at)},
		{Package: "p", Test: "TestZ", Requirements: names, Holds: 1, Median: time.Second, Shortest: time.Second, Longest: time.Second, Last: time.Unix(0, at-int64(5*time.Minute+5*time.Second))},
	}
	if got := s.Usages(at, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for test, want := range map[string]time.Duration{"TestOld": 0, "TestZ": time.Second, "TestA/sub": 3 * time.Second} {
		if got := s.recall(lockcore.Owner{Package: "p", Test: test}, reqs); got != want {
			t.Errorf("%s is expected to take %s, want %s", test, got, want)
		}
	}
}

func TestDamagedHistoryIsRefused(t *testing.T) {
	for _, h := range []History{
		{tests: map[string]*holds{"no separator": {last: []time.Duration{1}}}},
		{tests: map[string]*holds{"p\x00x": {}}},
	} {
		if got, err := DecodeHistory(h.Append(nil)); err == nil {
			t.Errorf("%v is taken for a history", got)
		}
	}
}

func FuzzDecodeHistory(f *testing.F) {
	var h History
	h.add("p\x00x", 1, []time.Duration{10, 20})
	f.Add(h.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHistory(data)
		if err != nil {
			return
		}
		s := State{History: h}
		s.Usages(1, nil) // must not panic
		again, err := DecodeHistory(h.Append(nil))
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Errorf("decoded %v, then %v, %v", h, again, err)
		}
	})
}
