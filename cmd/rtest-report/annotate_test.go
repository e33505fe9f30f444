package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAnnotateRealRun runs a suite that takes locks under gotestsum, once with
// the properties that tests write themselves and once without, and wants the
// same tests to be found by name as by request.
func TestAnnotateRealRun(t *testing.T) {
	for _, tool := range []string{"go", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s in PATH", tool)
		}
	}
	matched := map[string]int{}
	for _, attrs := range []string{"min", "off"} {
		dir := t.TempDir()
		store := filepath.Join(dir, "store")
		if err := os.Mkdir(store, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("RTEST_URL", "file://"+filepath.ToSlash(store))
		t.Setenv("RTEST_EVENTS", filepath.Join(dir, "events"))
		t.Setenv("RTEST_ATTRS", attrs)
		junit, original := filepath.Join(dir, "junit.xml"), filepath.Join(dir, "original.xml")
		t.Setenv("JUNIT", junit)
		t.Setenv("ORIGINAL", original)
		code := run(context.Background(), []string{"run", "--junit", junit, "--html", filepath.Join(dir, "page"), "--", "sh", "-c",
			`go tool gotestsum --format none --junitfile "$JUNIT" -- -count=1 ../../examples/accounts && cp "$JUNIT" "$ORIGINAL"`})
		if code != 0 {
			t.Fatalf("exit code %d", code)
		}
		before, after := readFile(t, original), readFile(t, junit)
		if !onlyInserted(before, after) {
			t.Fatalf("bytes of the file are gone:\n%s\nbecame\n%s", before, after)
		}
		if _, err := os.Stat(filepath.Join(dir, "page", "index.html")); err != nil {
			t.Error(err)
		}
		matched[attrs] = bytes.Count(after, []byte(`name="rtest.resources"`))
		if n := bytes.Count(before, []byte(`name="rtest.resources"`)); (n > 0) != (attrs == "min") {
			t.Errorf("RTEST_ATTRS=%s: %d tests wrote their own", attrs, n)
		}
		wellFormed(t, after)
	}
	if matched["min"] == 0 || matched["min"] != matched["off"] {
		t.Errorf("tests found: %v", matched)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// onlyInserted reports whether before is left when some bytes of after are taken
// away.
func onlyInserted(before, after []byte) bool {
	for _, c := range after {
		if len(before) > 0 && before[0] == c {
			before = before[1:]
		}
	}
	return len(before) == 0
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
