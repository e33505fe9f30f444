package redisstream

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func read(t *testing.T, address, after string) (reqs []string, stats eventlog.Stats) {
	t.Helper()
	var r eventlog.Reader
	for e, err := range Read(context.Background(), address, after, &r) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Ev != eventlog.Run {
			reqs = append(reqs, e.Req)
		}
	}
	return reqs, r.Stats
}

func TestWriteAndRead(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireUserAuth("ci", "secret")
	address := "redis://ci:secret@" + server.Addr() + "/3?stream=my+events&maxlen=5000"
	ctx := context.Background()
	w, err := Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2500 { // more than a page
		w.Write(eventlog.Event{Ev: eventlog.Request, Req: fmt.Sprint(i)})
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	last, err := Last(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(eventlog.Event{Ev: eventlog.Grant, Req: "late"})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	reqs, stats := read(t, address, "")
	if len(reqs) != 2501 || reqs[0] != "0" || reqs[2500] != "late" || stats.Partial() {
		t.Errorf("%d events, %s", len(reqs), stats.Warning())
	}
	if reqs, _ := read(t, address, last); len(reqs) != 1 || reqs[0] != "late" {
		t.Errorf("after %s came %v", last, reqs)
	}
}

func TestTheStreamIsCapped(t *testing.T) {
	server := miniredis.RunT(t)
	w, err := Open(context.Background(), "redis://"+server.Addr()+"?maxlen=10")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		w.Write(eventlog.Event{Ev: eventlog.Request})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	n, err := client.XLen(context.Background(), "rtest:events").Result()
	if err != nil || n > 10 {
		t.Errorf("%d entries, %v", n, err)
	}
}

func TestForeignEntriesAndAnEmptyStream(t *testing.T) {
	server := miniredis.RunT(t)
	address := "redis://" + server.Addr()
	if last, err := Last(context.Background(), address); last != "0-0" || err != nil {
		t.Errorf("last is %q, %v", last, err)
	}
	if reqs, stats := read(t, address, ""); len(reqs) != 0 || stats.Partial() {
		t.Errorf("got %v", reqs)
	}
	if _, err := server.XAdd(defaultStream, "*", []string{"other", "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.XAdd(defaultStream, "*", []string{"e", "garbage"}); err != nil {
		t.Fatal(err)
	}
	if _, stats := read(t, address, ""); stats.Garbage != 1 {
		t.Errorf("stats %+v", stats)
	}
}

func TestADeadServerCostsEventsOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "redis://user:secret@" + l.Addr().String()
	l.Close()
	ctx := context.Background()
	w, err := Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.Write(eventlog.Event{Ev: eventlog.Request})
	}
	if err := w.Flush(ctx); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
	if w.Dropped() != 21 {
		t.Errorf("%d dropped; want 21", w.Dropped())
	}
	w.Close()
	var r eventlog.Reader
	for _, err := range Read(ctx, address, "", &r) {
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("error is %v", err)
		}
	}
	if _, err := Last(ctx, address); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
}

func TestAddresses(t *testing.T) {
	ctx := context.Background()
	for address, want := range map[string]string{
		"redis://u:secret@h:1/0?maxlen=0":      "maxlen",
		"redis://u:secret@h:1/0?maxlen=many":   "maxlen",
		"redis://u:secret@h:1/notadb":          "h:1 is wrong",
		"redis://u:secret@h:1/0?unknown=param": "h:1 is wrong",
		"redis://u:secret%zz@h":                "no URL",
	} {
		_, err := Open(ctx, address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want words with %q", address, err, want)
		}
	}
	dir := filepath.Join(t.TempDir(), "events")
	w, err := Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl")); len(files) != 1 {
		t.Errorf("a directory got %v", files)
	}
	if IsURL("events") || IsURL("mailto://x") || !IsURL("rediss://h") {
		t.Error("IsURL")
	}
}
