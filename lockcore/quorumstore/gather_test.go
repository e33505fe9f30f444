package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// bubble is a store without servers, in a bubble whose clock goes on only when
// nobody has anything to do: what takes no time there takes none at all.
func bubble(t *testing.T, servers int, f func(s *Store)) {
	synctest.Test(t, func(t *testing.T) {
		s := Config{}.build(make([]string, servers), make([]redis.UniversalClient, servers))
		f(s)
		time.Sleep(time.Hour) // whatever is still on its way
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A server answers the question of a story, or fails, some time after it is asked.
type server struct {
	after time.Duration
	fails bool
	deaf  bool // to the time limit
	bad   bool // it has failed before
	usual time.Duration
}

// A story is one gathering, and what happens in it.
type story struct {
	what    string
	servers []server
	lead    int
	giveUp  time.Duration // when the asker does; 0: never
	near    bool          // a majority is nearly enough, and not enough
	want    string        // events with the ms at which they happen, those of one moment in the order of the alphabet
}

var errFails, errBefore = errors.New("out of order"), errors.New("failed before")

const storyLimit = time.Second

func (st story) play(t *testing.T) (log []string) {
	bubble(t, len(st.servers), func(s *Store) {
		start := time.Now()
		var mu sync.Mutex
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%04d %s", time.Since(start).Milliseconds(), fmt.Sprintf(format, args...)))
		}
		for i, is := range st.servers {
			s.nodes[i].took = max(is.usual, 1)
			if is.bad {
				s.nodes[i].bad, s.nodes[i].retry = errBefore, start.Add(time.Hour)
			}
		}
		b := newBallot(len(st.servers), 0)
		word := func(err error) string {
			var u unanswered
			switch {
			case err == nil:
				return "yes"
			case !sent(err):
				return "spared"
			case errors.As(err, &u):
				return "mute"
			}
			return "fails"
		}
		g := gather(s, question[bool]{
			to: s.everyone(), lead: st.lead, limit: storyLimit,
			ask: func(ctx context.Context, n *node) (bool, error) {
				note("ask %d", n.index)
				is, asked := st.servers[n.index], time.Now()
				var err error
				if is.deaf {
					time.Sleep(is.after)
				} else {
					select {
					case <-time.After(is.after):
					case <-ctx.Done():
						err = unanswered{storyLimit}
					}
				}
				if is.fails {
					err = errFails
				}
				n.note(err, asked)
				return true, err
			},
			take: func(i int, _ bool, err error) progress {
				note("%d %s", i, word(err))
				b.replies[i] = yes
				if err != nil {
					b.replies[i] = down
				}
				switch {
				case b.verdict(0) != won:
					return open
				case st.near:
					return nearly
				}
				return enough
			},
			late: func(i int, _ bool, err error) { note("late %d %s", i, word(err)) },
		})
		ctx := context.Background()
		if st.giveUp > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, st.giveUp)
			defer cancel()
		}
		if err := g.wait(ctx); err != nil {
			note("gives up")
		} else {
			note("goes on")
		}
		<-g.all
	})
	slices.Sort(log)
	return log
}

// TestGather tells whom a question goes to and when, and how long the asker waits
// for the answers.
func TestGather(t *testing.T) {
	const ms = time.Millisecond
	for _, st := range []story{
		{what: "all are asked at once, and a majority is enough", servers: []server{{after: 5 * ms}, {after: 10 * ms}, {after: 20 * ms}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 5 0 yes, 10 1 yes, 10 goes on, 20 late 2 yes"},
		{what: "all fail", servers: []server{{fails: true}, {fails: true}, {fails: true}},
			want: "0 0 fails, 0 1 fails, 0 2 fails, 0 ask 0, 0 ask 1, 0 ask 2, 0 goes on"},
		{what: "the last ones are given a moment, twice of what the others took", near: true, servers: []server{{after: 10 * ms}, {after: 10 * ms}, {after: 32*ms - 1}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 10 0 yes, 10 1 yes, 31 2 yes, 31 goes on"},
		{what: "and no more than that", near: true, servers: []server{{after: 10 * ms}, {after: 10 * ms}, {after: 33 * ms}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 10 0 yes, 10 1 yes, 32 goes on, 33 late 2 yes"},
		{what: "but for one that is far away twice of what it usually takes", near: true, servers: []server{{after: 10 * ms}, {after: 10 * ms}, {after: 70 * ms, usual: 50 * ms}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 10 0 yes, 10 1 yes, 70 2 yes, 70 goes on"},
		{what: "one that was far away once and is gone", near: true, servers: []server{{after: 10 * ms}, {after: 10 * ms}, {after: 300 * ms, usual: 50 * ms}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 10 0 yes, 10 1 yes, 112 goes on, 300 late 2 yes"},

		{what: "the leader is asked first", lead: 2, servers: []server{{after: ms}, {after: 5 * ms}, {after: 2 * ms}},
			want: "0 ask 1, 5 1 yes, 5 ask 0, 5 ask 2, 6 0 yes, 6 goes on, 7 late 2 yes"},
		{what: "the leader fails", lead: 1, servers: []server{{after: 5 * ms, fails: true}, {after: ms}, {after: 2 * ms}},
			want: "0 ask 0, 5 0 fails, 5 ask 1, 5 ask 2, 6 1 yes, 7 2 yes, 7 goes on"},
		{what: "the leader is slow, beyond what it usually takes", lead: 1, servers: []server{{after: 300 * ms, usual: 10 * ms}, {after: ms}, {after: 2 * ms}},
			want: "0 ask 0, 70 ask 1, 70 ask 2, 71 1 yes, 72 2 yes, 72 goes on, 300 late 0 yes"},

		{what: "one that failed before is spared", servers: []server{{after: ms}, {bad: true}, {after: 2 * ms}},
			want: "0 1 spared, 0 ask 0, 0 ask 2, 1 0 yes, 2 2 yes, 2 goes on, 2 late 1 spared"},
		{what: "but asked when it is needed", servers: []server{{after: ms}, {bad: true}, {after: 2 * ms, fails: true}},
			want: "0 1 spared, 0 ask 0, 0 ask 2, 1 0 yes, 2 2 fails, 2 ask 1, 2 1 yes, 2 goes on"},
		{what: "and when the others take longer than usual", servers: []server{{after: ms}, {bad: true, after: 5 * ms}, {after: 500 * ms, usual: 10 * ms}},
			want: "0 1 spared, 0 ask 0, 0 ask 2, 1 0 yes, 70 ask 1, 75 1 yes, 75 goes on, 500 late 2 yes"},
		{what: "a leader that failed before leads nobody", lead: 1, servers: []server{{bad: true}, {after: ms}, {after: 2 * ms}},
			want: "0 0 spared, 0 ask 1, 0 ask 2, 1 1 yes, 2 2 yes, 2 goes on, 2 late 0 spared"},
		{what: "all failed before, and are back", servers: []server{{bad: true}, {bad: true, after: ms}, {bad: true, after: ms + 1}},
			want: "0 0 spared, 0 0 yes, 0 1 spared, 0 2 spared, 0 ask 0, 0 ask 1, 0 ask 2, 1 1 yes, 1 goes on, 1 late 2 yes"},

		{what: "some do not answer in time, and heed no limit", servers: []server{{after: ms}, {after: 3 * time.Second, deaf: true}, {after: 4 * time.Second, deaf: true}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 1 0 yes, 1000 1 mute, 1000 2 mute, 1000 goes on, 3000 late 1 yes, 4000 late 2 yes"},
		{what: "one answers when it was given up and another one is asked instead", servers: []server{{after: ms}, {after: 1500 * ms, deaf: true, usual: 600 * ms}, {bad: true, after: 700 * ms}},
			want: "0 2 spared, 0 ask 0, 0 ask 1, 1 0 yes, 1000 1 mute, 1000 ask 2, 1500 late 1 yes, 1700 2 yes, 1700 goes on"},
		{what: "one that failed before, and has to be connected to, is given longer", servers: []server{{after: ms}, {bad: true, after: 1900 * ms}, {fails: true}},
			want: "0 1 spared, 0 2 fails, 0 ask 0, 0 ask 1, 0 ask 2, 1 0 yes, 1900 1 yes, 1900 goes on"},
		{what: "the asker gives up", giveUp: 7 * ms, servers: []server{{after: ms}, {after: 10 * ms}, {after: 20 * ms, fails: true}},
			want: "0 ask 0, 0 ask 1, 0 ask 2, 1 0 yes, 7 gives up, 10 late 1 yes, 20 late 2 fails"},
		{what: "the asker gives up before some were asked", giveUp: 7 * ms, servers: []server{{after: 10 * ms}, {bad: true}, {after: 20 * ms}},
			want: "0 1 spared, 0 ask 0, 0 ask 2, 7 gives up, 7 late 1 spared, 10 late 0 yes, 20 late 2 yes"},
		{what: "there is nobody", want: "0 goes on"},
	} {
		t.Run(st.what, func(t *testing.T) {
			var got []string
			for _, line := range st.play(t) {
				at, what, _ := strings.Cut(line, " ")
				at = strings.TrimLeft(at[:3], "0") + at[3:]
				got = append(got, at+" "+what)
			}
			want := strings.Split(st.want, ", ")
			slices.SortStableFunc(want, func(a, b string) int {
				var x, y int
				fmt.Sscan(a, &x)
				fmt.Sscan(b, &y)
				return x*1000 - y*1000 + strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):])
			})
			if !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), strings.Join(want, ", "))
			}
		})
	}
}

// TestLinger: those that are still to answer are waited for, but not for long.
func TestLinger(t *testing.T) {
	for _, c := range []struct{ answers, want time.Duration }{{0, 0}, {30 * time.Millisecond, 30 * time.Millisecond}, {time.Second, 100 * time.Millisecond}} {
		bubble(t, 3, func(s *Store) {
			start := time.Now()
			g := gather(s, question[bool]{
				to: []int{1}, limit: time.Hour,
				ask:  func(context.Context, *node) (bool, error) { time.Sleep(c.answers); return true, nil },
				take: func(int, bool, error) progress { return open },
			})
			g.linger(100 * time.Millisecond)
			if took := time.Since(start); took != c.want {
				t.Errorf("waited %s for an answer that takes %s, want %s", took, c.answers, c.want)
			}
		})
	}
}

// TestAvoid: a server that failed is left out, but for one call at a time, which
// looks whether it is back. The first that gets through ends that.
func TestAvoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{recovered: make(chan struct{}, 1)}
		for i, c := range []struct {
			what  string
			do    func()
			spare bool
		}{
			{"nothing is known of it", func() {}, false},
			{"it answers", func() { n.note(nil, time.Now()) }, false},
			{"it fails", func() { n.note(errFails, time.Now()) }, true},
			{"not yet", func() { time.Sleep(probeEvery - time.Nanosecond) }, true},
			{"now one call may look", func() { time.Sleep(time.Nanosecond) }, false},
			{"the others go on without it", func() {}, true},
			{"if that one does not come back, another one may", func() { time.Sleep(probeEvery) }, false},
			{"it fails again, long after", func() { time.Sleep(probeEvery); n.note(errFails, time.Now()) }, true},
			{"it is back", func() { n.note(nil, time.Now()) }, false},
			{"for everybody", func() {}, false},
		} {
			c.do()
			if err := n.avoid(time.Now()); c.spare != (err != nil) || c.spare && !errors.Is(err, errFails) {
				t.Errorf("%d. %s: got %v", i, c.what, err)
			}
		}
		select {
		case <-n.recovered:
		default:
			t.Error("nobody was told that it is back")
		}
	})
}
