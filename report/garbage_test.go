package report

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestGarbageIsNoError folds events that no sane process writes: whatever they
// say, the fold neither fails nor loses a microsecond.
func TestGarbageIsNoError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := reporttest.Garbage(t)
		rep, err := Fold(reporttest.Sequence(events), Options{OnRequest: func(r *Request) {
			var sum time.Duration
			for _, s := range r.Blame {
				if s.Time <= 0 {
					t.Errorf("a share of %v", s.Time.Duration())
				}
				sum += s.Time.Duration()
			}
			if sum != r.Waited {
				t.Errorf("waited %v, blame sums to %v", r.Waited, sum)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range append(rep.Resources, rep.Pools...) {
			if g.Utilisation < 0 || g.Utilisation > 1 || math.IsNaN(g.Utilisation) {
				t.Errorf("%q is used %v", g.Name, g.Utilisation)
			}
		}
	})
}

func FuzzFoldLines(f *testing.F) {
	for _, name := range []string{"bigger", "told_by_waiters", "kept", "ends"} {
		text, err := os.ReadFile("testdata/schedules/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		schedule, _, _ := strings.Cut(string(text), "\n---\n")
		var b bytes.Buffer
		for _, e := range reporttest.Schedule(f, schedule) {
			line, err := json.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		var reader eventlog.Reader
		_, err := Fold(reader.Decode("fuzz", bytes.NewReader(log)), Options{OnRequest: func(r *Request) {
			var sum time.Duration
			for _, s := range r.Blame {
				sum += s.Time.Duration()
			}
			if sum != r.Waited {
				t.Errorf("waited %v, blame sums to %v", r.Waited, sum)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	})
}
