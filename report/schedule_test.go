package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestSchedules runs the files under testdata/schedules: a schedule, as package
// reporttest reads it, then, after a line of dashes, what the report must say of it.
func TestSchedules(t *testing.T) {
	files, err := filepath.Glob("testdata/schedules/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(string(b), "\n---\n")
			got := tell(t, reporttest.Schedule(t, text))
			if reporttest.Rewrite() {
				if err := os.WriteFile(f, []byte(text+"\n---\n"+got), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// tell words the report of events.
func tell(t *testing.T, events []eventlog.Event) string {
	t.Helper()
	var b strings.Builder
	opts := Options{OnRequest: func(r *Request) { tellRequest(t, &b, r) }}
	rep, err := Fold(reporttest.Sequence(events), opts)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "all: queue %.4g, at most %d\n", rep.QueueMean, rep.QueueMax)
	for _, g := range rep.Pools {
		fmt.Fprintf(&b, "pool %s: %d, in use %.4g, utilisation %.4g, queue %.4g, at most %d", g.Name, g.Size, g.InUse, g.Utilisation, g.QueueMean, g.QueueMax)
		for _, c := range g.Blame {
			fmt.Fprintf(&b, ", %v %s", c.Time.Duration(), c.Cause)
		}
		b.WriteString("\n")
	}
	for _, g := range rep.Resources {
		if g.Prepare+g.Restore > 0 || g.FailedPrepares+g.FailedRestores > 0 {
			fmt.Fprintf(&b, "%s: %d holds, held %v, prepare %v (%d failed), restore %v (%d failed), last error %q\n", g.Name, g.Hold.N, g.Hold.Total.Duration(),
				g.Prepare.Duration(), g.FailedPrepares, g.Restore.Duration(), g.FailedRestores, g.LastError)
		}
	}
	var blame eventlog.MS
	for _, c := range rep.Blame {
		blame += c.Time
	}
	if blame != rep.Total.Wait.Total {
		t.Errorf("all waited %v, blame sums to %v", rep.Total.Wait.Total.Duration(), blame.Duration())
	}
	return b.String()
}

// tellRequest words what became of one request.
func tellRequest(t *testing.T, b *strings.Builder, r *Request) {
	t.Helper()
	fmt.Fprintf(b, "%s: ", r.Test.Name)
	if r.Outcome == "" {
		b.WriteString("never served, ")
	} else if r.Outcome != eventlog.Acquired {
		fmt.Fprintf(b, "%s, ", r.Outcome)
	}
	fmt.Fprintf(b, "waited %v", r.Waited)
	sum := time.Duration(0)
	for i, s := range r.Blame {
		sum += s.Time.Duration()
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		fmt.Fprintf(b, "%s%v %s", sep, s.Time.Duration(), s.Cause)
		if s.Holder != (Holder{}) {
			fmt.Fprintf(b, " %s", s.Holder)
		}
		if s.Pool != "" && len(r.Reqs) > 1 {
			fmt.Fprintf(b, " in %s", s.Pool)
		}
	}
	if len(r.Blame) > 0 {
		b.WriteString(")")
	}
	if sum != r.Waited {
		t.Errorf("%s waited %v, blame sums to %v", r.Test.Name, r.Waited, sum)
	}
	if r.Held > 0 {
		fmt.Fprintf(b, ", held %v", r.Held)
	}
	if r.End != "" && r.End != eventlog.Release {
		fmt.Fprintf(b, " until %s", r.End)
	}
	if r.Prepared+r.Restored > 0 {
		fmt.Fprintf(b, ", prepared %v, restored %v", r.Prepared, r.Restored)
	}
	if r.OvertakenBy > 0 {
		fmt.Fprintf(b, ", overtaken %d times", r.OvertakenBy)
	}
	b.WriteString("\n")
}
