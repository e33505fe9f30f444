package campaign

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// A Fault is done to processes, servers or files. It returns what ends it, and after
// which time that is due; nil if nothing has to.
type Fault func() (lasts time.Duration, end func())

// AtOnce is a fault that nothing has to end.
func AtOnce(f func()) Fault {
	return func() (time.Duration, func()) { f(); return 0, nil }
}

// Faults does all faults, again and again. One goroutine may use it.
type Faults struct {
	All   map[string]Fault
	Rand  *rand.Rand
	Pause time.Duration // the longest between two faults
	// Done is called after each fault, with the [judge.Now] of before; false ends it all.
	Done func(name string, began int64, lasts time.Duration) bool
	// Counts are how often each was done; "rounds" how often all were.
	Counts map[string]int

	due []ending
}

// An ending ends a fault when it is due.
type ending struct {
	at time.Time
	f  func()
}

// Run goes through all faults in random orders, each time in another, until there are
// enough grants, and at least once.
func (f *Faults) Run(enough func() bool) {
	f.Counts = make(map[string]int)
	names := slices.Sorted(maps.Keys(f.All)) // a map has no order, and the seed shall decide
	for f.Counts["rounds"] == 0 || !enough() {
		f.Rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			f.end(time.Now())
			began := judge.Now()
			lasts, end := f.All[name]()
			f.Counts[name]++
			if end != nil {
				f.due = append(f.due, ending{time.Now().Add(lasts), end})
			}
			if !f.Done(name, began, lasts) {
				return
			}
			time.Sleep(time.Duration(f.Rand.Int64N(int64(f.Pause))))
		}
		f.Counts["rounds"]++
	}
}

// End ends all faults that were not ended yet.
func (f *Faults) End() { f.end(time.Now().Add(1000 * time.Hour)) }

// end ends the faults that are due.
func (f *Faults) end(now time.Time) {
	f.due = slices.DeleteFunc(f.due, func(e ending) bool {
		over := !e.at.After(now)
		if over {
			e.f()
		}
		return over
	})
}

// String tells how often each fault was done.
func (f *Faults) String() string { return fmt.Sprint(f.Counts) }

// Knob reads a number from the environment.
func Knob(t testing.TB, name string, standard uint64) uint64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return standard
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, v)
	}
	return n
}
