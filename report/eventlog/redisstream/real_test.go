package redisstream

import (
	"context"
	"fmt"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func TestRealServerCapsTheStream(t *testing.T) {
	server := redistest.Start(t)
	address := server.URL() + "?maxlen=1000"
	w, err := Open(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for i := range n {
		w.Write(eventlog.Event{Ev: eventlog.Request, Req: fmt.Sprint(i)})
		if i%1000 == 0 {
			w.Flush(context.Background())
		}
	}
	if err := w.Close(); err != nil || w.Dropped() > 0 {
		t.Fatal(err, w.Dropped())
	}
	reqs, stats := read(t, address, "")
	// The server removes whole nodes, of 100 entries unless it is told otherwise.
	if len(reqs) < 1000 || len(reqs) > 1200 || stats.Partial() {
		t.Errorf("%d entries are left; %s", len(reqs), stats.Warning())
	}
	if last := reqs[len(reqs)-1]; last != fmt.Sprint(n-1) {
		t.Errorf("the last is %s", last)
	}
}

func TestAServerThatDiesAndComesBack(t *testing.T) {
	server := redistest.Start(t)
	ctx := context.Background()
	w, err := Open(ctx, server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "lost"})
	if err := w.Flush(ctx); err == nil {
		t.Error("no error, though nobody was there")
	}
	server.Restart()
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "kept"})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	reqs, stats := read(t, server.URL(), "")
	if len(reqs) != 1 || reqs[0] != "kept" || stats.Dropped != 1 {
		t.Errorf("read %v; %s", reqs, stats.Warning())
	}
}

func TestAServerThatHangsHoldsNobodyUp(t *testing.T) {
	server := redistest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	w, err := Open(ctx, server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	defer server.Cont()
	for range 10_000 {
		w.Write(eventlog.Event{Ev: eventlog.Request}) // would wait here
	}
	cancel()
	if err := w.Flush(ctx); err == nil {
		t.Error("no error, though nobody listened")
	}
	if err := w.Close(); err == nil { // returns, though the server never answers
		t.Error("no error, though the end cannot have been written")
	}
	if w.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
}
