package main

import (
	"os"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), os.Getenv("RTEST_URL"), 12, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), " is on board-"); n != 12 {
		t.Errorf("flashed %d images of 12:\n%s", n, out.String())
	}
}
