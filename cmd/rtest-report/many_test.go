package main

import (
	"bufio"
	"container/heap"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestSummaryOfManyEvents measures the program itself over logs of a busy lab: 40
// lanes of tests on 5 pools of 6 boards each. It tells the time, which nobody
// should hold a test to, and the peak of its memory, which must not grow with the
// number of events. For a million of them, and a quarter of a million beside it:
//
//	RTEST_SUMMARY_EVENTS=1000000 go test ./cmd/rtest-report -run TestSummaryOfManyEvents -v
func TestSummaryOfManyEvents(t *testing.T) {
	n := 40_000
	if s := os.Getenv("RTEST_SUMMARY_EVENTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 4 {
			t.Fatalf("RTEST_SUMMARY_EVENTS=%s: want a number of events, such as 1000000", s)
		}
	}
	exe := filepath.Join(t.TempDir(), "rtest-report")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var cpu [2]time.Duration
	for i, n := range []int{n / 4, n} {
		dir := t.TempDir()
		written := writeLab(t, dir, n)
		c := exec.Command(exe, "summary", "--events", dir)
		begin := time.Now()
		out, err := c.CombinedOutput()
		took := time.Since(begin)
		if err != nil || !strings.Contains(string(out), "pool-4: 6 resources") {
			t.Fatalf("%v\n%s", err, out)
		}
		cpu[i] = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		peak := peakMemory(c.ProcessState) / 1e6
		t.Logf("%d events: %.2f s, of which CPU %.2f s, peak memory %.0f MB", written, took.Seconds(), cpu[i].Seconds(), peak)
		if peak > 500 {
			t.Errorf("summary of %d events took %.0f MB, more than 500", written, peak)
		}
	}
	t.Logf("four times the events took %.2f times the CPU time", cpu[1].Seconds()/cpu[0].Seconds())
}

// A turn is when something happens in a lane of the lab.
type turn struct {
	at   time.Duration
	lane int
	done bool // it gives back, else it asks
	seq  int
}

type turns []turn

func (t turns) Len() int { return len(t) }
func (t turns) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *turns) Push(x any)   { *t = append(*t, x.(turn)) }
func (t *turns) Pop() any     { x := (*t)[len(*t)-1]; *t = (*t)[:len(*t)-1]; return x }

// lane is one sequence of tests.
type lane struct {
	w      *bufio.Writer
	seq    uint64
	n      int
	pool   int
	need   int
	asked  time.Duration
	got    time.Duration
	chosen []eventlog.Chosen
}

const labPools, labBoards, labLanes = 5, 6, 40

// lab is a simulation of first come, first served.
type lab struct {
	t     testing.TB
	rnd   *rand.Rand
	lanes [labLanes]lane
	free  [labPools][]string
	line  [labPools][]int
	turns turns
	n     int
	count int
}

// writeLab writes about n events into dir, a file a lane, and returns how many.
func writeLab(t testing.TB, dir string, n int) int {
	t.Helper()
	l := &lab{t: t, rnd: rand.New(rand.NewPCG(1, 2))}
	for i := range l.lanes {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("lane-%02d.jsonl", i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l.lanes[i].w = bufio.NewWriter(f)
		defer l.lanes[i].w.Flush()
		heap.Push(&l.turns, turn{at: time.Duration(l.rnd.IntN(1000)) * time.Millisecond, lane: i, seq: i})
	}
	for p := range l.free {
		for i := range labBoards {
			l.free[p] = append(l.free[p], fmt.Sprintf("board-%d-%d", p, i))
		}
	}
	for l.count < n {
		t := heap.Pop(&l.turns).(turn)
		if t.done {
			l.release(t)
		} else {
			l.ask(t)
		}
	}
	return l.count
}

func (l *lab) push(at time.Duration, lane int, done bool) {
	l.n++
	heap.Push(&l.turns, turn{at, lane, done, l.n})
}

func (l *lab) write(at time.Duration, i int, e eventlog.Event) {
	a := &l.lanes[i]
	a.seq++
	l.count++
	e.V, e.Seq, e.TS, e.Host, e.PID = 1, a.seq, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(at), fmt.Sprintf("runner-%d", i/4), 1000+i
	e.Run = eventlog.RunInfo{ID: fmt.Sprintf("github-%d", at/(30*time.Minute)), CI: "github", Job: "hil", URL: fmt.Sprintf("https://ci.example/runs/%d", at/(30*time.Minute))}
	e.Test = eventlog.TestInfo{Pkg: fmt.Sprintf("example.com/lab/pkg%d", a.n%20), Name: fmt.Sprintf("TestNumber%d/case", a.n%500), File: "lab_test.go", Line: 40}
	e.Req = fmt.Sprintf("%08x-%d-%d", 0xabcdef, i, a.n)
	line, err := json.Marshal(e)
	if err != nil {
		l.t.Fatal(err)
	}
	a.w.Write(append(line, '\n'))
}

func (l *lab) ask(t turn) {
	a := &l.lanes[t.lane]
	a.n++
	a.pool, a.need, a.asked = l.rnd.IntN(labPools), 1+l.rnd.IntN(3), t.at
	var all []string
	for i := range labBoards {
		all = append(all, fmt.Sprintf("board-%d-%d", a.pool, i))
	}
	l.write(t.at, t.lane, eventlog.Event{Ev: eventlog.Request, LeaseMS: eventlog.MS(30 * time.Second), Policy: "fail",
		Reqs: []eventlog.Requirement{{Name: fmt.Sprint("pool-", a.pool), Need: a.need, Candidates: all}}})
	l.line[a.pool] = append(l.line[a.pool], t.lane)
	l.serve(t.at, a.pool)
	if len(a.chosen) == 0 {
		holder := (t.lane + 1) % labLanes
		l.write(t.at+time.Millisecond, t.lane, eventlog.Event{Ev: eventlog.Queue, QueuePos: len(l.line[a.pool]), Blockers: []eventlog.Blocker{
			{Key: all[0], Req: "x", Run: "github-0", Pkg: "example.com/lab/pkg1", Test: fmt.Sprint("TestNumber", holder), Host: "runner-1"}}})
	}
}

// serve grants to the head of a line as long as it can.
func (l *lab) serve(at time.Duration, p int) {
	for len(l.line[p]) > 0 && l.lanes[l.line[p][0]].need <= len(l.free[p]) {
		i := l.line[p][0]
		a := &l.lanes[i]
		l.line[p] = l.line[p][1:]
		for _, k := range l.free[p][:a.need] {
			a.chosen = append(a.chosen, eventlog.Chosen{Key: k, Tags: map[string]string{"kind": fmt.Sprint("kind-", p)}, Fence: uint64(l.n)})
		}
		l.free[p] = l.free[p][a.need:]
		a.got = at
		l.write(at, i, eventlog.Event{Ev: eventlog.Grant, WaitedMS: eventlog.MS(at - a.asked), Outcome: eventlog.Acquired, Chosen: a.chosen})
		l.push(at+time.Duration(100+l.rnd.IntN(20_000))*time.Millisecond, i, true)
	}
}

func (l *lab) release(t turn) {
	a := &l.lanes[t.lane]
	l.write(t.at, t.lane, eventlog.Event{Ev: eventlog.Release, HeldMS: eventlog.MS(t.at - a.got)})
	for _, c := range a.chosen {
		l.free[a.pool] = append(l.free[a.pool], c.Key)
	}
	a.chosen = nil
	l.serve(t.at, a.pool)
	l.push(t.at+time.Duration(l.rnd.IntN(3000))*time.Millisecond, t.lane, false)
}
