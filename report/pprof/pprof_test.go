package pprof

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

func labProfile(t *testing.T, l reporttest.Lab, byHolder bool) ([]byte, *report.Report) {
	t.Helper()
	p := Profile{ByHolder: byHolder}
	rep, err := report.Fold(reporttest.Sequence(l.Events()), report.Options{OnRequest: p.Add})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Write(&b, rep); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), rep
}

func TestPprofSums(t *testing.T) {
	for _, byHolder := range []bool{false, true} {
		b, rep := labProfile(t, reporttest.Labs["500"], byHolder)
		p, err := profile.ParseData(b)
		if err != nil {
			t.Fatal(err)
		}
		var n, delay int64
		leaves := map[string]int64{}
		for _, s := range p.Sample {
			n += s.Value[0]
			delay += s.Value[1]
			leaves[s.Location[0].Line[0].Function.Name] += s.Value[1]
		}
		if delay != int64(rep.Total.Wait.Total) {
			t.Errorf("by holder %v: %d ns of delay, want %d", byHolder, delay, int64(rep.Total.Wait.Total))
		}
		if n == 0 || n > int64(rep.Total.Requests) {
			t.Errorf("%d contentions of %d requests", n, rep.Total.Requests)
		}
		// What pprof -top lists is what the report lists.
		want := map[string]int64{}
		for _, g := range rep.Tests {
			want[g.Name] = int64(g.Wait.Total)
		}
		if byHolder {
			clear(want)
			for _, h := range rep.Holders {
				want[h.Holder.String()] = int64(h.Caused)
			}
		}
		for name, d := range want {
			if got := leaves["example.com/lab/boards."+name]; got != d {
				t.Errorf("by holder %v: %s has %d ns, want %d", byHolder, name, got, d)
			}
		}
		if again, _ := labProfile(t, reporttest.Labs["500"], byHolder); !bytes.Equal(b, again) {
			t.Error("the same events gave another profile")
		}
	}
}

func TestPprofGolden(t *testing.T) {
	var out strings.Builder
	for _, byHolder := range []bool{false, true} {
		b, _ := labProfile(t, reporttest.Labs["5"], byHolder)
		p, err := profile.ParseData(b)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "by holder: %v\n%s\n", byHolder, p.String())
	}
	reporttest.Golden(t, "five.txt", []byte(out.String()))
}

// TestPprofTool asks go tool pprof itself.
func TestPprofTool(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go command: put it into PATH")
	}
	b, _ := labProfile(t, reporttest.Labs["500"], false)
	path := filepath.Join(t.TempDir(), "waits.pb.gz")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-top"}, []string{"Type: delay", "boards.TestFlash", "pool boards"}},
		{[]string{"-tags"}, []string{"requirement: Total", "pool full", "RF chamber"}},
		{[]string{"-top", "-tagroot=requirement", "-sample_index=contentions"}, []string{"Type: contentions"}},
	} {
		cmd := exec.Command(goTool, slices.Concat([]string{"tool", "pprof", "-symbolize=none"}, c.args, []string{path})...)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir(), "HOME="+t.TempDir(), "GOCACHE="+goCache(t, goTool))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("pprof %v: %v\n%s", c.args, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("pprof %v says nothing of %q:\n%s", c.args, want, out)
			}
		}
	}
}

// goCache keeps the build of the tool where it is although HOME is elsewhere.
func goCache(t *testing.T, goTool string) string {
	t.Helper()
	out, err := exec.Command(goTool, "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestPprofCountsAWaitOnce(t *testing.T) {
	var p Profile
	a, b := report.Holder{Test: "A"}, report.Holder{Test: "B"}
	p.Add(&report.Request{Waited: 3 * time.Second, Test: eventlog.TestInfo{Name: "T"}, Blame: []report.Share{
		{Cause: report.PoolFull, Holder: a, Time: eventlog.MS(time.Second)}, {Cause: report.Behind, Holder: b, Time: eventlog.MS(2 * time.Second)}}})
	p.Add(&report.Request{Test: eventlog.TestInfo{Name: "NeverWaited"}})
	for k, v := range p.samples {
		if want := int64(0); k.holder.name == "B" && v.n != 1 || k.holder.name == "A" && v.n != want {
			t.Errorf("%+v: %d contentions", k, v.n)
		}
	}
	if len(p.samples) != 2 {
		t.Errorf("%d samples", len(p.samples))
	}
	var out bytes.Buffer
	if err := p.Write(&out, &report.Report{}); err != nil {
		t.Error(err)
	}
}
