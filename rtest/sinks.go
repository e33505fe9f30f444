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
