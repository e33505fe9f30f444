package report

import "testing"

func TestNoEvents(t *testing.T) {
	if _, err := Fold(nil, Options{}); err == nil || err.Error() != "report: Fold was given no events: the sequence is nil" {
		t.Error(err)
	}
}
