package report

import (
	"encoding/json"
	"io"
)

// WriteJSON writes the whole report as one JSON object: durations in
// milliseconds, in fields whose names end in _ms.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it is read by programs and people, not by browsers
	e.SetIndent("", "  ")
	return e.Encode(r)
}
