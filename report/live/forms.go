package live

import (
	"net/http"
	"net/url"
)

// A form is that of one action.
type form struct {
	Do, CSRF, Key, Holder string
	Title, Help, Button   string
	Fields                []field
}

type field struct {
	Label, Name, Kind, Value, Pattern string
	Must                              bool
	Most                              int
}

var (
	reasonField = field{Label: "Reason", Name: "reason", Most: reasonMost}
	forField    = field{Label: "For", Name: "for", Value: "2h", Must: true, Most: 20, Pattern: `([0-9.]+(h|m|s))+`}
)

// forms are what a person may do with a resource. row is nil if nothing is known of
// it.
func (p *permissions) forms(page *page, r *http.Request, key string, row *row, st *state) {
	u, ok := p.user(r)
	if !ok {
		return
	}
	add := func(f form) {
		f.CSRF, f.Key = p.csrf(u), url.QueryEscape(key)
		page.Forms = append(page.Forms, f)
	}
	var disabled, own bool
	var reserved, held *Holding
	if row != nil {
		for _, h := range row.holders {
			switch h.State {
			case "disabled":
				disabled = true
			case "reserved":
				reserved = h
				own = own || h.Owner.User == u.name
			case "foreign": // of a program that does not ask us
			default:
				held = h
			}
		}
	}
	// Who has it already would stand in line behind himself.
	if own {
		add(form{Do: "extend", Title: "Keep it for longer", Fields: []field{{Label: "For, from now on", Name: "for", Value: "2h", Must: true, Most: 20, Pattern: forField.Pattern}}, Button: "Extend"})
	} else {
		add(form{Do: "reserve", Title: "Reserve", Help: "It waits in line, as tests do.", Fields: []field{forField, reasonField,
			{Label: "In front of all who wait", Name: "next", Kind: "check"}}, Button: "Reserve"})
	}
	if reserved != nil {
		f := form{Do: "release", Title: "End the reservation", Button: "Release"}
		if !own {
			f.Fields = []field{{Label: "Although it is not mine", Name: "force", Kind: "check", Must: true}}
		}
		add(f)
	}
	if disabled {
		add(form{Do: "enable", Title: "Put it back into service", Button: "Enable"})
	} else {
		why := reasonField
		why.Must = true
		add(form{Do: "disable", Title: "Take it out of service", Help: "Nobody is given it, until it is enabled.", Fields: []field{why,
			{Label: "Now, from whoever holds it", Name: "now", Kind: "check"}}, Button: "Disable"})
	}
	if held != nil {
		add(form{Do: "free", Holder: held.ID, Title: "Take it from its holder", Help: "With everything else of that lease; the test fails.", Fields: []field{reasonField,
			{Label: "Take it away", Name: "force", Kind: "check", Must: true}}, Button: "Free"})
	}
}

// withdrawForm lets a person withdraw a reservation that waits.
func (p *permissions) withdrawForm(page *page, r *http.Request, w *Waiting) {
	u, ok := p.user(r)
	if !ok {
		return
	}
	own := p.pending.of(w.ID, u.name)
	if own == nil {
		return
	}
	page.Forms = append(page.Forms, form{Do: "withdraw", CSRF: p.csrf(u), Key: url.QueryEscape(own.key), Holder: w.ID, Title: "Wait no longer", Button: "Withdraw"})
}
