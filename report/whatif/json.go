package whatif

import (
	"encoding/json"
	"io"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// WriteJSON writes the estimates as one JSON object: durations in milliseconds, in
// fields whose names end in _ms. What was not asked for is left out.
func (e *Estimates) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // it is read by programs and people, not by browsers
	enc.SetIndent("", "  ")
	return enc.Encode(e)
}

// MarshalJSON writes milliseconds.
func (r Range) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Min    eventlog.MS `json:"min_ms"`
		Median eventlog.MS `json:"median_ms"`
		Max    eventlog.MS `json:"max_ms"`
	}{eventlog.MS(r.Min), eventlog.MS(r.Median), eventlog.MS(r.Max)})
}

// MarshalJSON writes the wish in milliseconds, beside the rest.
func (a Advice) MarshalJSON() ([]byte, error) {
	type plain Advice
	return json.Marshal(struct {
		plain
		WaitP95 eventlog.MS `json:"wished_p95_wait_ms"`
	}{plain(a), eventlog.MS(a.WaitP95)})
}
