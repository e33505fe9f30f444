package reporttest

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A failing is a test that keeps why it failed.
type failing struct {
	testing.TB
	why string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.why = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

// A slip in a schedule is told, and not played as something else.
func TestSlipsInASchedule(t *testing.T) {
	for _, line := range []string{"0s T asks b1 seats=x", "0s T asks b1 prio=", "0s T asks b1 count=many hash=1", "0s T asks b1 seat=2", "0s T gets b1/x", "soon T asks b1", "0s T", "0s T takes b1"} {
		f := &failing{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Schedule(f, line)
		}()
		if <-done; f.why == "" {
			t.Errorf("%q is taken for a schedule", line)
		}
	}
	if e := Schedule(t, "0s T asks b1 seats=2 prio=-3"); e[0].Reqs[0].Seats != 2 || e[0].Priority != -3 {
		t.Errorf("%+v", e)
	}
}

// The fence of a lab rises from grant to grant, as that of a store does.
func TestFenceOfALabRises(t *testing.T) {
	for name, l := range Labs {
		last, at := uint64(0), time.Time{}
		for _, e := range l.Events() {
			if e.Ev != eventlog.Grant {
				continue
			}
			if e.At.Before(at) {
				t.Fatalf("%s: the grants are not in order", name)
			}
			at = e.At
			for _, c := range e.Chosen {
				if c.Fence != last+1 {
					t.Fatalf("%s: after the fence %d comes %d", name, last, c.Fence)
				}
			}
			last++
		}
	}
}
