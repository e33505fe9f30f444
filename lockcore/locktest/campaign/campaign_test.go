package campaign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// TestRead forges what three processes wrote, the last of which was killed in the midst
// of a line: what is read contradicts itself in the ways in which they do.
func TestRead(t *testing.T) {
	var written []judge.Use
	begun := 0
	for _, lines := range []string{
		`{"N":1,"Use":{"Asked":1,"From":2,"To":3,"Token":5,"Want":[1],"Got":[{"Mode":"x","Keys":["a"]}]}}
{"N":1,"To":9}
{"N":2,"Use":{"Asked":20,"From":21,"To":22,"Token":4,"Want":[1],"Got":[{"Mode":"s","Keys":["b"]}]}}
`,
		`{"N":1,"Use":{"Asked":5,"From":6,"To":6,"Token":6,"Want":[1,1],"Got":[{"Mode":"s","Keys":["c"]},{"Mode":"x","Keys":["a"]}]}}
{"N":0,"Damaged":7}
{"N":2,"Use":{"Odd":"Release: out of paper"}}
`,
		`{"N":1,"Use":{"Asked":7,"From":8,"To":8,"Token":7,"Want":[2],"Got":[{"Mode":"n2","Keys":["d","d"]}]}}
{"N":1,"T`,
	} {
		uses, err := Read(strings.NewReader(lines), func(n Note) {
			if n.Use != nil {
				begun++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, uses...)
	}
	bad := strings.Join(judge.Promises{}.Contradictions(written), "\n")
	for _, want := range []string{"a: ", "token 4 was given", "out of paper"} {
		if strings.Count(bad, "\n") != 2 || !strings.Contains(bad, want) {
			t.Errorf("want three contradictions, of which one says %q; of %+v is found\n%s", want, written, bad)
		}
	}
	if begun != 5 {
		t.Errorf("%d uses began, of 5", begun)
	}
	for _, torn := range []string{"{\n{\"N\":1}\n", `{"N":1,"To":5}`} {
		if _, err := Read(strings.NewReader(torn), nil); err == nil {
			t.Errorf("%q was read", torn)
		}
	}
}

// TestWorker lets two of them loose on a store that keeps its promises, and on one that
// gives out half of what was asked for: the judge sees the difference.
func TestWorker(t *testing.T) {
	for name, broken := range map[string]bool{"a good store": false, "one that gives too little": true} {
		t.Run(name, func(t *testing.T) {
			var store lockcore.Store = memstore.New(nil)
			if broken {
				store = half{store}
			}
			l := lockcore.New(store, nil)
			defer l.Close()
			out := make([]bytes.Buffer, 2)
			workers := make([]*Worker, len(out))
			done := make(chan bool)
			for i := range out {
				rnd := rand.New(rand.NewPCG(1, uint64(i)))
				w := &Worker{Name: fmt.Sprint("w", i), Locker: l, Rand: rnd, TTL: 100 * time.Millisecond, Nested: true, Busy: time.Millisecond, Out: &out[i]}
				w.Draw = func() lockcore.Request {
					return lockcore.Request{TTL: w.TTL, Requirements: Draw(rnd, []string{"a", "b", "c", "d"})}
				}
				workers[i] = w
				w.Excused = func(err error) bool {
					return errors.Is(err, lockcore.ErrBusy) || errors.Is(err, lockcore.ErrUnsatisfiable) || errors.Is(err, lockcore.ErrDeadlock) || errors.Is(err, lockcore.ErrLost) || errors.Is(err, context.DeadlineExceeded)
				}
				go func() {
					for w.Uses() < 100 {
						w.Turn(t.Context())
					}
					w.Check("Mend", io.ErrShortWrite)
					w.Check("Mend", nil)
					done <- true
				}()
			}
			<-done
			<-done
			var all []judge.Use
			for i := range out {
				uses, err := Read(&out[i], nil)
				if err != nil || len(uses) != workers[i].Uses() {
					t.Fatalf("%d uses of %d were read, %v", len(uses), workers[i].Uses(), err)
				}
				all = append(all, uses...)
			}
			bad := judge.Promises{}.Contradictions(all)
			odd := slices.DeleteFunc(slices.Clone(bad), func(b string) bool { return !strings.HasSuffix(b, "Mend: short write") })
			if len(odd) != 2 || broken != (len(bad) > 2) {
				t.Errorf("%d contradictions: %.3q", len(bad), bad)
			}
		})
	}
}

// half is a store that tells of one key less.
type half struct{ lockcore.Store }

func (s half) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	ans, err := s.Store.Ask(ctx, t, func(*lockcore.Grant) { wake(nil) })
	if g := ans.Grant; g != nil && len(g.Obtained[0]) > 1 {
		less := *g
		less.Obtained = slices.Clone(g.Obtained)
		less.Obtained[0] = less.Obtained[0][1:]
		ans.Grant = &less
	}
	return ans, err
}

// TestFaults: each is done once a round, in the order of the seed, and ended when it is
// due, or at the end.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done []string
		open, ending := map[string]time.Time{}, false
		lasting := func(name string, d time.Duration) Fault {
			return func() (time.Duration, func()) {
				due := time.Now().Add(d)
				open[name] = due
				return d, func() {
					if !ending && time.Now().Before(due) {
						t.Errorf("%s has ended, and is due at %s", name, due)
					}
					delete(open, name)
				}
			}
		}
		f := &Faults{
			All:   map[string]Fault{"a": AtOnce(func() {}), "b": lasting("b", time.Second), "c": lasting("c", time.Hour)},
			Rand:  rand.New(rand.NewPCG(1, 1)),
			Pause: time.Minute,
			Done: func(name string, _ int64, lasts time.Duration) bool {
				for other, due := range open {
					if other != name && !due.After(time.Now()) {
						t.Errorf("%s was due at %s", other, due)
					}
				}
				done = append(done, name)
				return true
			},
		}
		f.Run(func() bool { return len(done) >= 30 })
		if want := map[string]int{"a": 10, "b": 10, "c": 10, "rounds": 10}; !maps.Equal(f.Counts, want) {
			t.Errorf("done %v", f.Counts)
		}
		if slices.Equal(done[:3], done[3:6]) && slices.Equal(done[:3], done[6:9]) {
			t.Errorf("always in the same order: %v", done)
		}
		if len(open) == 0 {
			t.Error("what lasts for an hour has ended")
		}
		ending = true
		if f.End(); len(open) > 0 {
			t.Errorf("not ended: %v", open)
		}
		asked := 0
		f.Done = func(string, int64, time.Duration) bool { asked++; return false }
		if f.Run(func() bool { return asked > 3 }); asked != 1 || len(f.Counts) != 1 {
			t.Errorf("after the first fault it was to end: %v, asked %d times", f.Counts, asked)
		}
		inOrder := func() (order []string) {
			again := &Faults{All: make(map[string]Fault), Rand: rand.New(rand.NewPCG(2, 2)), Pause: time.Minute,
				Done: func(name string, _ int64, _ time.Duration) bool { order = append(order, name); return true }}
			for i := range 20 {
				again.All[fmt.Sprint("fault ", i)] = AtOnce(func() {})
			}
			again.Run(func() bool { return true })
			return order
		}
		if one, two := inOrder(), inOrder(); !slices.Equal(one, two) {
			t.Errorf("one seed, two orders: %v, %v", one, two)
		}
	})
}
