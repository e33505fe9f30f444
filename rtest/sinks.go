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
	told map[*eventlog.Writer]bool // that it loses events
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

// tellLoss says once that a log loses events. It comes at the end of a lease: a test
// binary has no later moment at which somebody is called.
func tellLoss(w *eventlog.Writer) {
	loss := w.Loss()
	if loss == nil {
		return
	}
	logs.Lock()
	defer logs.Unlock()
	if logs.told[w] {
		return
	}
	if logs.told == nil {
		logs.told = make(map[*eventlog.Writer]bool)
	}
	logs.told[w] = true
	fmt.Fprintf(os.Stderr, "rtest: %s: %v\n", envEvents, loss)
}
