package summary

import (
	"encoding/json"
	"io"

	"github.com/resourcelocker/resourcelocker/report"
)

// JSON writes the whole report as one JSON object: durations in
// milliseconds, in fields whose names end in _ms.
func JSON(w io.Writer, r *report.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it is read by programs and people, not by browsers
	e.SetIndent("", "  ")
	return e.Encode(r)
}
