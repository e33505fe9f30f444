package ginkgolock_test

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/junit"
)

// junitCase is a test case of a JUnit report.
type junitCase struct {
	Name       string  `xml:"name,attr"`
	Status     string  `xml:"status,attr"`
	Time       float64 `xml:"time,attr"`
	Properties []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"properties>property"`
}

func (j junitCase) property(name string) string {
	for _, p := range j.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// exampleRun is a run of the example, with a report of Ginkgo's.
type exampleRun struct {
	cmd           *exec.Cmd
	out           bytes.Buffer
	events, junit string
}

func startExample(t *testing.T, store, attrs string, args ...string) *exampleRun {
	t.Helper()
	dir := t.TempDir()
	r := &exampleRun{events: filepath.Join(dir, "events"), junit: filepath.Join(dir, "junit.xml")}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "JUNIT", r.junit)
	}
	r.cmd = exec.Command("go", args...)
	r.cmd.Dir = "../examples/ginkgo"
	r.cmd.Env = append(r.cmd.Environ(), "RTEST_URL=file://"+store, "RTEST_WAIT=100s", "RTEST_ATTRS="+attrs, "RTEST_EVENTS="+r.events)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	require.NoError(t, r.cmd.Start())
	return r
}

// annotated adds to Ginkgo's report what the events say, and returns the
// properties of its test cases by name.
func (r *exampleRun) annotated(t *testing.T) (cases map[string]map[string]string, unmatched []string) {
	t.Helper()
	require.NoError(t, r.cmd.Wait(), "%s", &r.out)
	assert.NotContains(t, r.out.String(), "OVERLAP")
	j, events := &junit.Annotator{}, &eventlog.Reader{}
	_, err := report.Fold(events.Events(r.events), report.Options{OnRequest: j.Add, OnTest: j.AddTest})
	require.NoError(t, err)
	before, err := os.ReadFile(r.junit)
	require.NoError(t, err)
	after, _ := j.Annotate(before)
	again, _ := j.Annotate(after)
	assert.Equal(t, string(after), string(again), "a second time adds nothing")
	var doc struct {
		Cases []junitCase `xml:"testsuite>testcase"`
	}
	require.NoError(t, xml.Unmarshal(after, &doc))
	cases = make(map[string]map[string]string)
	for _, c := range doc.Cases {
		m := make(map[string]string)
		for _, p := range c.Properties {
			assert.NotContains(t, m, p.Name, "%s has it twice", c.Name)
			m[p.Name] = strings.Trim(p.Value, `"`) // those of Ginkgo are JSON
		}
		cases[c.Name] = m
	}
	return cases, j.Unmatched()
}

// The example, by the ginkgo command and by go test at once, on one store; and
// what rtest-report annotate makes of the two reports, the second of which says
// nothing of resources by itself.
func TestExampleSuite(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	a := startExample(t, store, "min", "tool", "ginkgo", "--procs=3", "--no-color", "--randomize-all", "--junit-report=JUNIT", ".")
	b := startExample(t, store, "off", "test", "-count=1", ".", "-ginkgo.junit-report=JUNIT")

	byRequest, unmatched := a.annotated(t)
	assert.Regexp(t, `Ran 9 of 9 Specs`, a.out.String())
	assert.Empty(t, unmatched)

	byName, unmatched := b.annotated(t)
	// Nothing but the request says what belongs to a container or to the suite.
	assert.Equal(t, []string{examplePkg + "an upgrade", examplePkg + "suite"}, unmatched)

	for name, held := range map[string]int{
		"[It] a board boots":                                              1,
		"[It] a board pairs with another [lock:board*2]":                  2,
		"[It] a board takes the new firmware":                             1,
		"[It] a board reports to staging":                                 2,
		"[It] in the chamber the signal is clean of one board":            2,
		"[It] in the chamber the signal is clean of three [lock:board*3]": 4,
		"[It] without decorators acquires in mid-spec":                    1,
		"[It] an upgrade flashes":                                         1,
		"[It] an upgrade starts":                                          1,
	} {
		for how, cases := range map[string]map[string]map[string]string{"by request": byRequest, "by name": byName} {
			require.Contains(t, cases, name)
			c := cases[name]
			if strings.Contains(name, "upgrade") && how == "by name" {
				assert.Empty(t, c)
				continue
			}
			assert.Len(t, strings.Split(c["rtest.resources"], ", "), held, "%s %s: %v", name, how, c)
			assert.Equal(t, "acquired", c["rtest.outcome"], "%s %s", name, how)
			for _, p := range []string{"rtest.req", "rtest.waited_s", "rtest.held_s"} {
				assert.NotEmpty(t, c[p], "%s %s: %s", name, how, p)
			}
		}
	}
}

const examplePkg = "github.com/resourcelocker/resourcelocker/examples/ginkgo "
