package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// fillingDisk takes a number of bytes, then refuses, until it has room again.
type fillingDisk struct {
	bytes.Buffer
	room int
}

func (d *fillingDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	d.Buffer.Write(b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *fillingDisk) Close() error { return nil }

func TestHalfALineSpoilsNoOther(t *testing.T) {
	a, b, c := []byte(`{"ev":"request"}`+"\n"), []byte(`{"ev":"grant"}`+"\n"), []byte(`{"ev":"release"}`+"\n")
	disk := &fillingDisk{room: len(a) + 5}
	s := &fileSink{f: disk}
	if n, err := s.Append([][]byte{a, b, c}); n != 1 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("stored %d, %v", n, err)
	}
	if n, err := s.Append([][]byte{c}); n != 0 || err == nil { // still full: what is torn stays torn
		t.Fatalf("stored %d, %v", n, err)
	}
	disk.room = 1 << 20
	if n, err := s.Append([][]byte{b, c}); n != 2 || err != nil {
		t.Fatalf("stored %d, %v", n, err)
	}
	if want := string(a) + string(b[:5]) + "\n" + string(b) + string(c); disk.String() != want {
		t.Errorf("the file is\n%s\nwant\n%s", disk.String(), want)
	}
}

func TestARealFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full, which only Linux has; the disk above stands for it elsewhere")
	}
	w := NewWriter(&fileSink{f: f}, RunInfo{})
	w.Write(Event{Ev: Grant})
	if err := w.Flush(context.Background()); !errors.Is(err, syscall.ENOSPC) || w.Dropped() != 2 {
		t.Errorf("%v, %d dropped", err, w.Dropped())
	}
}

func TestLinesAreAppended(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.Flush(context.Background())
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	other, err := os.OpenFile(files[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(other, `{"ev":"telepathy"}`)
	other.Close()
	w.Write(Event{Ev: Grant})
	w.Close()
	text, _ := os.ReadFile(files[0])
	if all := decodeAll(t, string(text)); len(all) != 3 {
		t.Errorf("%d lines are left of 3:\n%s", len(all), text)
	}
}

// TestDropsAreToldThoughTheirTellerIsLost: the line that tells of drops may
// itself be dropped.
func TestDropsAreToldThoughTheirTellerIsLost(t *testing.T) {
	full := errors.New("full")
	sink := &memorySink{fail: func(call int) (int, error) {
		if call < 3 {
			return 0, full
		}
		return 0, nil
	}}
	w := NewWriter(sink, RunInfo{})
	for range 3 {
		w.Flush(context.Background())
		w.Write(Event{Ev: Grant})
	}
	w.Flush(context.Background())
	w.Close()
	var told uint64
	for _, e := range sink.events(t) {
		told += e.Dropped
	}
	if told != w.Dropped() || told < 2 {
		t.Errorf("%d told, %d dropped", told, w.Dropped())
	}
}

// TestHelperWrites is the child of the test below.
func TestHelperWrites(t *testing.T) {
	dir := os.Getenv("EVENTLOG_TEST_DIR")
	if dir == "" {
		return
	}
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60_000 { // a minute at most, should the parent die
		w.Write(Event{Ev: Request, Req: fmt.Sprint(i)})
		if i == 100 {
			w.Flush(context.Background())
			fmt.Println("ready")
		}
		if i > 100 {
			time.Sleep(time.Millisecond)
		}
	}
}

func TestProcessesKilledWhileTheyWrite(t *testing.T) {
	dir := t.TempDir()
	const n = 3
	for range n {
		c := exec.Command(os.Args[0], "-test.run=^TestHelperWrites$")
		c.Env = append(os.Environ(), "EVENTLOG_TEST_DIR="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("%q %v", line, err)
		}
		c.Process.Kill()
		c.Wait()
	}
	var r Reader
	runs := map[string]bool{}
	pids := map[int]int{}
	for e, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		pids[e.PID]++
		runs[e.Run.ID] = true
	}
	if len(pids) != n || r.Stats.Garbage > 0 {
		t.Errorf("processes %v; want %d; %s", pids, n, r.Stats.Warning())
	}
	for pid, events := range pids {
		if events < 102 {
			t.Errorf("%d events of %d survived; those before Flush must", events, pid)
		}
	}
	if len(runs) != 1 {
		t.Errorf("children of one process are runs %v; want one", runs)
	}
}
