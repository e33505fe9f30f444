package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A fact is a line about a resource or a request.
type fact struct {
	Name, Text    string
	Job, Run, Key string // what it links to
	Age           *age
}

type holdView struct {
	Label string
	Facts []fact
}

// moment is a moment in words.
func (s *Server) moment(at time.Time) string {
	return at.In(s.zone).Format("2006-01-02 15:04:05")
}

// ownerFacts tell who somebody is.
func ownerFacts(o lockcore.Owner) (f []fact) {
	add := func(name, text string) {
		if text != "" {
			f = append(f, fact{Name: name, Text: words.Visible(text)})
		}
	}
	add("person", o.User)
	add("test", o.Test)
	add("package", o.Package)
	add("machine", o.Host)
	if o.PID != 0 {
		add("process", fmt.Sprint(o.PID))
	}
	if o.Run != "" {
		f = append(f, fact{Name: "run", Text: words.Visible(o.Run), Run: o.Run})
	}
	if o.URL != "" {
		f = append(f, fact{Name: "job", Text: words.Visible(o.URL), Job: link(o.URL)})
	}
	add("asked at", o.Site)
	return f
}

// holdView tells all of a holder.
func (s *Server) holdView(h *Holding, now time.Time) holdView {
	v := holdView{Label: strings.ToUpper(h.State[:min(1, len(h.State))]) + h.State[min(1, len(h.State)):]}
	for i, k := range h.Keys {
		if i == 50 { // a lease may have a whole lab
			v.Facts = append(v.Facts, fact{Name: "resources", Text: fmt.Sprint("and ", len(h.Keys)-i, " more")})
			break
		}
		v.Facts = append(v.Facts, fact{Name: "resource", Text: words.Plain(k), Key: k})
	}
	v.Facts = append(v.Facts, ownerFacts(h.Owner)...)
	if !h.Since.IsZero() {
		v.Facts = append(v.Facts, fact{Name: "since", Text: s.moment(h.Since), Age: ago(h.Since, now)})
	}
	end, sure := h.until()
	switch {
	case !end.IsZero() && sure:
		v.Facts = append(v.Facts, fact{Name: "until", Text: s.moment(end), Age: ahead(end, now)})
	case !end.IsZero():
		v.Facts = append(v.Facts, fact{Name: "expected until", Text: s.moment(end), Age: ahead(end, now)})
	case h.State == "disabled":
		v.Facts = append(v.Facts, fact{Name: "until", Text: "somebody enables it"})
	case h.State == "held":
		v.Facts = append(v.Facts, fact{Name: "until", Text: "it is given back"})
	}
	if h.Reason != "" {
		v.Facts = append(v.Facts, fact{Name: "reason", Text: words.Visible(h.Reason)})
	}
	if h.Token != 0 {
		v.Facts = append(v.Facts, fact{Name: "fencing token", Text: fmt.Sprint(h.Token)})
	}
	return v
}

// waitView tells all of a waiter.
func (s *Server) waitView(st *state, i int) holdView {
	w, now := &st.listing.Waiters[i], st.listing.Time
	v := holdView{Label: fmt.Sprint("Waiting at place ", w.Place)}
	for _, wants := range w.Wants {
		v.Facts = append(v.Facts, fact{Name: "waits for", Text: words.Visible(wants)})
	}
	v.Facts = append(v.Facts, ownerFacts(w.Owner)...)
	v.Facts = append(v.Facts, fact{Name: "since", Text: s.moment(w.Since), Age: ago(w.Since, now)})
	if w.Start.IsZero() {
		v.Facts = append(v.Facts, fact{Name: "expected", Text: "unknown"})
	} else {
		v.Facts = append(v.Facts, fact{Name: "expected", Text: s.moment(w.Start), Age: ahead(w.Start, now)})
	}
	for _, k := range w.Reserved {
		v.Facts = append(v.Facts, fact{Name: "kept aside", Text: words.Plain(k), Key: k})
	}
	if w.Reason != "" {
		v.Facts = append(v.Facts, fact{Name: "reason", Text: words.Visible(w.Reason)})
	}
	for _, b := range inTheWay(st, i) {
		v.Facts = append(v.Facts, fact{Name: "in the way", Text: b.text, Key: b.key})
	}
	return v
}

type obstacle struct{ key, text string }

// obstaclesMost bounds those in the way that are named.
const obstaclesMost = 20

// inTheWay lists who has what a waiter could use.
func inTheWay(st *state, i int) (l []obstacle) {
	wants := map[string]bool{}
	for _, r := range st.snap.Waiters[i].Requirements {
		for _, c := range r.Candidates {
			wants[c.Key] = true
		}
	}
	for n := range st.listing.Holders {
		h := &st.listing.Holders[n]
		for k, key := range h.Keys {
			if !wants[key] || slices.Contains(h.Keys[:k], key) {
				continue
			}
			if len(l) == obstaclesMost {
				return append(l, obstacle{text: "and more"})
			}
			l = append(l, obstacle{key, words.Plain(key) + " is " + h.State + " by " + words.Plain(nameOf(h.Owner)) + " for " + span(h.For.Duration())})
		}
	}
	return l
}
