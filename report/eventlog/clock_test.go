package eventlog

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A machine writes lines of processes that run on it. Its wall clock is off.
type machine struct {
	host string
	off  time.Duration // of its wall clock
}

// log is the lines of one process that began at a moment after t0.
func (m *machine) log(pid int, began time.Duration, lines ...func(at time.Duration, mono MS) Event) string {
	var b strings.Builder
	for _, l := range lines {
		e := l(began, 0)
		at := began + e.MonoMS.Duration()
		e.V, e.Host, e.PID, e.Run.ID = 1, m.host, pid, "r"
		if e.TS.IsZero() {
			e.TS = t0.Add(at + m.off)
		}
		b.Write(encode(&e))
	}
	return b.String()
}

// ev is an event of a process, a time after it began. srv: it tells the store's time.
func ev(kind Kind, req string, after time.Duration, srv bool) func(time.Duration, MS) Event {
	return func(began time.Duration, _ MS) Event {
		e := Event{Ev: kind, Req: req, MonoMS: MS(after)}
		if srv {
			e.Srv = t0.Add(began + after)
		}
		return e
	}
}

// times lists requests, and when they were, after the first of them.
func times(t *testing.T, r *Reader, targets ...string) string {
	t.Helper()
	var l []string
	var first time.Time
	for e, err := range r.Events(targets...) {
		require.NoError(t, err)
		if e.Req == "" {
			continue
		}
		if first.IsZero() {
			first = e.At
		}
		s := fmt.Sprintf("%s@%v", e.Req, e.At.Sub(first))
		if e.Unplaced {
			s += "?"
		}
		l = append(l, s)
	}
	return strings.Join(l, " ")
}

func TestAClockThatIsSetDoesNotMoveEvents(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		dir := t.TempDir()
		// The first process is over before the clock is set, the second sees it, the
		// third begins after it.
		was, is := machine{"h", 0}, machine{"h", by}
		write(t, dir, "a.jsonl", was.log(1, 0, ev(Run, "", 0, false), ev(Request, "a0", 0, false), ev(Release, "a2", 2*time.Second, false)))
		write(t, dir, "b.jsonl", was.log(2, 3*time.Second, ev(Run, "", 0, false), ev(Request, "b3", 0, false))+
			is.log(2, 3*time.Second, ev(Grant, "b8", 5*time.Second, false), ev(Release, "b10", 7*time.Second, false)))
		write(t, dir, "c.jsonl", is.log(3, 9*time.Second, ev(Run, "", 0, false), ev(Request, "c9", 0, false), ev(Release, "c11", 2*time.Second, false)))
		assert.Equal(t, "a0@0s a2@2s b3@3s b8@8s c9@9s b10@10s c11@11s", times(t, &Reader{}, dir), "set by %v", by)
		// The same in one file, as merge and a stream have it.
		var r Reader
		r.KeepLines = true
		var one []string
		for e, err := range r.Events(dir) {
			require.NoError(t, err)
			one = append(one, string(e.Line)+"\n")
		}
		path := write(t, t.TempDir(), "one.jsonl", one...)
		assert.Equal(t, "a0@0s a2@2s b3@3s b8@8s c9@9s b10@10s c11@11s", times(t, &Reader{}, path), "in one file, set by %v", by)
	}
}

func TestMachinesWhoseClocksDiffer(t *testing.T) {
	slow, fast := machine{"slow", -6 * time.Second}, machine{"fast", 5 * time.Second}
	holder := slow.log(7, 0, ev(Run, "", 0, false), ev(Request, "h1", time.Second, false), ev(Grant, "h1", time.Second, false), ev(Release, "h4", 4*time.Second, false))
	waiter := fast.log(7, 0, ev(Run, "", 0, false), ev(Request, "w2", 2*time.Second, false), func(time.Duration, MS) Event {
		return Event{Ev: Queue, Req: "w2", MonoMS: MS(2 * time.Second), Srv: t0.Add(2 * time.Second),
			Blockers: []Blocker{{Key: "b", Req: "h1", Run: "r", Host: "slow", PID: 7, Since: t0.Add(time.Second)}}}
	}, ev(Grant, "w4", 4*time.Second, false))
	also := slow.log(8, 0, ev(Run, "", 0, false), ev(Request, "n3", 3*time.Second, false))
	other := (&machine{"other", 0}).log(9, 0, ev(Run, "", 0, false), ev(Request, "o1", time.Second, false))

	dir := t.TempDir()
	write(t, dir, "holder.jsonl", holder)
	write(t, dir, "waiter.jsonl", waiter)
	write(t, dir, "also.jsonl", also)
	// The holder never waited: the store's time is in what the waiter was told of it.
	assert.Equal(t, "h1@0s h1@0s w2@1s w2@1s n3@2s h4@3s w4@3s", times(t, &Reader{}, dir))
	// Who neither waits nor is waited for, on a machine of its own, cannot be placed.
	write(t, dir, "other.jsonl", other)
	assert.Contains(t, times(t, &Reader{}, dir), "o1@0s?")
	assert.Equal(t, 1, strings.Count(times(t, &Reader{}, dir), "?"))

	// Through one stream of lines, in the order in which they were written.
	in := strings.NewReader(slow.log(7, 0, ev(Run, "", 0, false)) + fast.log(7, 0, ev(Run, "", 0, false)) +
		strings.Join(interleave(strings.SplitAfter(holder, "\n")[1:], strings.SplitAfter(waiter, "\n")[1:]), ""))
	var r Reader
	var got []string
	for e, err := range r.Ordered("stream", in) {
		require.NoError(t, err)
		if e.Req != "" {
			got = append(got, e.Req)
		}
	}
	assert.Equal(t, "h1 h1 w2 w2 h4 w4", strings.Join(got, " "))
	assert.Equal(t, 1, r.Stats.Files)
}

func interleave(a, b []string) (out []string) {
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

// TestALateTimeOfTheStore: a request that gives up tells the store's time of the
// last look at the line, seconds ago.
func TestALateTimeOfTheStore(t *testing.T) {
	m := machine{"h", time.Minute}
	late := func(began time.Duration, _ MS) Event {
		return Event{Ev: Withdraw, Req: "a9", MonoMS: MS(9 * time.Second), Srv: t0.Add(4 * time.Second)}
	}
	path := write(t, t.TempDir(), "a.jsonl", m.log(1, 0, ev(Request, "a1", time.Second, false), ev(Queue, "a2", 2*time.Second, true), late, ev(Release, "a10", 10*time.Second, false)))
	assert.Equal(t, "a1@0s a2@1s a9@8s a10@9s", times(t, &Reader{}, path))
}

// TestTwoLogsOfOneProcess are two writers, whose monotonic clocks began at different
// times, and whose lines stand in one file.
func TestTwoLogsOfOneProcess(t *testing.T) {
	m := machine{"h", 0}
	a := m.log(1, 0, ev(Request, "a0", 0, false), ev(Grant, "a5", 5*time.Second, false))
	b := m.log(1, 10*time.Second, ev(Request, "b10", 0, false), ev(Grant, "b12", 2*time.Second, false))
	path := write(t, t.TempDir(), "a.jsonl", b, a)
	assert.Equal(t, "a0@0s a5@5s b10@10s b12@12s", times(t, &Reader{}, path))
}

func TestAByteOrderMarkCostsNoLine(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	var r Reader
	path := write(t, t.TempDir(), "a.jsonl", mark, line(1, 0, "a"), line(1, 1, "b"), mark, line(1, 2, "c"))
	assert.Equal(t, "a b c", reqs(t, r.Events(path)))
	assert.Equal(t, "a b c", reqs(t, r.Decode("x", strings.NewReader(mark+line(1, 0, "a")+line(1, 1, "b")+mark+line(1, 2, "c")))))
	assert.False(t, r.Stats.Partial(), r.Stats.Warning())
}

// TestTheWritersOrderIsTheMonotonicClocks writes and reads.
func TestTheWritersOrderIsTheMonotonicClocks(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir)
	require.NoError(t, err)
	for i := range 50 {
		w.Write(Event{Ev: Request, Req: fmt.Sprint(i)})
	}
	require.NoError(t, w.Flush(context.Background()))
	require.NoError(t, w.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*"+Suffix))
	require.NoError(t, err)
	require.Len(t, files, 1)
	var r Reader
	n := 0
	for e, err := range r.Events(files...) {
		require.NoError(t, err)
		if e.Ev == Request {
			assert.Equal(t, fmt.Sprint(n), e.Req)
			assert.Less(t, e.At.Sub(e.TS).Abs(), time.Second)
			n++
		}
	}
	assert.Equal(t, 50, n)
}
