package summary

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestGarbageIsPrinted prints reports of events that no sane process writes.
func TestGarbageIsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := report.Fold(reporttest.Sequence(reporttest.Garbage(t)), report.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := errors.Join(Text(&b, r, View{Top: -1}), Markdown(&b, r, View{Top: -1}), JSON(&b, r)); err != nil {
			t.Fatal(err)
		}
	})
}
