package rtest

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// logs are the open event logs of the process, by what RTEST_EVENTS says. One
// that cannot be opened is nil, which discards; the user is told once, and no
// test fails for it.
var logs struct {
	sync.Mutex
	open map[string]*eventlog.Writer
}

func eventLog(target string) *eventlog.Writer {
	if target == "" {
		return nil
	}
	logs.Lock()
	defer logs.Unlock()
	w, known := logs.open[target]
	if known {
		return w
	}
	w, err := redisstream.Open(context.Background(), target) // opens directories too
	if err != nil {
		fmt.Fprintf(os.Stderr, "rtest: %s: no events are written: %v\n", envEvents, err)
		w = nil
	}
	if logs.open == nil {
		logs.open = make(map[string]*eventlog.Writer)
	}
	logs.open[target] = w
	return w
}

// end closes the books of a test: it is the first Cleanup function that was
// registered, so it runs after all leases are given back.
func (ts *testState) end(t TB, env settings, at site) {
	ts.attributes(t, env.attrs)
	reg.leave(ts)
	if env.events == "" {
		return
	}
	verdict := verdictOf(t)
	h := hire()
	defer h.dismiss()
	h.do(func() {
		r := record{log: eventLog(env.events)}
		if r.log != nil {
			r.log.Write(eventlog.Event{Ev: eventlog.TestEnd, Verdict: verdict, Test: testInfo(t, ts, at)})
			r.flush()
		}
	})
}
