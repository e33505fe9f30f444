package live

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// nowPage is the page of everything.
func (s *Server) nowPage(w http.ResponseWriter, r *http.Request) {
	filter := strings.TrimSpace(r.URL.Query().Get("q"))
	filter = words.Visible(strings.ToValidUTF8(filter[:min(len(filter), 200)], ""))
	s.show(w, r, "now", func(st *state) *page {
		p := s.frame(st, r, "Resources now")
		p.Filter = filter
		if !p.Loaded {
			return p
		}
		low := strings.ToLower(filter)
		shown := 0
		for i := range st.rows {
			if !st.rows[i].contains(low) {
				continue
			}
			if shown++; len(p.Rows) < rowsMost {
				p.Rows = append(p.Rows, s.rowView(&st.rows[i], st.listing.Time))
			}
		}
		p.RowsMore = shown - len(p.Rows)
		p.Caption = words.Count(len(st.rows), "resource")
		if filter != "" {
			p.Caption = fmt.Sprintf("%d of %s", shown, words.Count(len(st.rows), "resource"))
		}
		p.line(st, func(i int) bool { return waiterContains(st, i, low) })
		p.Wanted = wantedTable(st.wanted)
		return p
	})
}

// contains reports whether a row has a text, in small letters, in something that is to
// be seen of it.
func (r *row) contains(low string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), low) }
	if low == "" || has(r.Key) || has(r.Pool) || has(r.State) {
		return true
	}
	for k, v := range r.Tags {
		if has(k + "=" + v) {
			return true
		}
	}
	return slices.ContainsFunc(r.holders, func(h *Holding) bool { return has(h.Owner.String()) || has(h.Reason) || has(h.Owner.Run) })
}

func waiterContains(st *state, i int, low string) bool {
	w := &st.listing.Waiters[i]
	if low == "" {
		return true
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), low) }
	return has(w.Owner.String()) || has(w.Owner.Run) || has(w.Reason) || slices.ContainsFunc(w.Wants, has) || slices.ContainsFunc(st.snap.Waiters[i].Requirements, func(r lockcore.Requirement) bool {
		return slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return has(c.Key) })
	})
}

// resourcePage is the page of one resource.
func (s *Server) resourcePage(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	if key == "" {
		s.message(w, r, http.StatusNotFound, "No such resource", "Say which: resource?key=board-1")
		return
	}
	s.show(w, r, "resource", func(st *state) *page {
		p := s.frame(st, r, words.Plain(key))
		if !p.Loaded {
			return p
		}
		row := st.row(key)
		if row == nil {
			p.Unknown = true
			p.Standing = "Unknown"
		} else {
			p.Standing = s.standingOf(row, st)
			for _, h := range row.holders {
				p.Holds = append(p.Holds, s.holdView(h, st.listing.Time))
			}
			p.Facts = rowFacts(row)
		}
		p.line(st, func(i int) bool { return wants(&st.snap.Waiters[i], key) })
		s.access.forms(p, r, key, row, st)
		s.opts.History.resource(p, key, s.zone)
		return p
	})
}

// row finds a resource.
func (st *state) row(key string) *row {
	for i := range st.rows {
		if st.rows[i].Key == key {
			return &st.rows[i]
		}
	}
	return nil
}

// standingOf says in one line how a resource is.
func (s *Server) standingOf(r *row, st *state) string {
	if len(r.holders) == 0 {
		if r.asideOf != "" {
			return "Free, and kept aside for the line."
		}
		return "Free."
	}
	h := r.holders[0]
	text := fmt.Sprintf("%s by %s for %s", strings.ToUpper(h.State[:1])+h.State[1:], words.Plain(nameOf(h.Owner)), span(h.For.Duration()))
	if n := len(r.holders) - 1; n > 0 {
		text += fmt.Sprint(", and ", n, " more")
	}
	if end, sure := h.until(); !end.IsZero() {
		if text += ", "; !sure {
			text += "expected "
		}
		text += "until " + clock(end, st.listing.Time, s.zone)
	}
	return text + "."
}

func rowFacts(r *row) (f []fact) {
	if r.Pool != "" {
		f = append(f, fact{Name: "pool", Text: words.Visible(r.Pool)})
	}
	if r.Seats > 0 {
		f = append(f, fact{Name: "seats", Text: fmt.Sprintf("%d of %d taken", r.seatsTaken(), r.Seats)})
	}
	for _, k := range sortedKeys(r.Tags) {
		f = append(f, fact{Name: "tag", Text: words.Visible(k + "=" + r.Tags[k])})
	}
	if r.Last != "" {
		f = append(f, fact{Name: "last use", Text: r.Last})
	}
	return f
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func wants(w *lockcore.Waiter, key string) bool {
	return slices.ContainsFunc(w.Requirements, func(r lockcore.Requirement) bool {
		return slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return c.Key == key })
	})
}

// requestPage is the page of one request, that waits or holds.
func (s *Server) requestPage(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	s.show(w, r, "request", func(st *state) *page {
		p := s.frame(st, r, "A request")
		if !p.Loaded {
			return p
		}
		p.Unknown = true
		p.Standing = "Not there."
		for i := range st.listing.Holders {
			if h := &st.listing.Holders[i]; h.ID == id {
				p.Unknown = false
				p.Title = words.Plain(nameOf(h.Owner))
				p.Standing = strings.ToUpper(h.State[:1]) + h.State[1:] + " for " + span(h.For.Duration()) + "."
				p.Holds = append(p.Holds, s.holdView(h, st.listing.Time))
			}
		}
		for i := range st.listing.Waiters {
			if wt := &st.listing.Waiters[i]; wt.ID == id {
				p.Unknown = false
				p.Title = words.Plain(nameOf(wt.Owner))
				p.Standing = fmt.Sprintf("At place %d of %d in line.", wt.Place, len(st.listing.Waiters))
				p.Holds = append(p.Holds, s.waitView(st, i))
				s.access.withdrawForm(p, r, wt)
			}
		}
		return p
	})
}

// runPage is the page of a run: all that its tests hold and wait for.
func (s *Server) runPage(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	s.show(w, r, "request", func(st *state) *page {
		p := s.frame(st, r, "Run "+words.Plain(id))
		if !p.Loaded {
			return p
		}
		leases := 0
		for i := range st.listing.Holders {
			h := &st.listing.Holders[i]
			if h.Owner.Run != id {
				continue
			}
			if leases++; len(p.Holds) < lineMost {
				p.Holds = append(p.Holds, s.holdView(h, st.listing.Time))
			}
		}
		p.line(st, func(i int) bool { return st.listing.Waiters[i].Owner.Run == id })
		p.ShowLine, p.LineTitle = true, "What it waits for"
		p.Unknown = len(p.Holds)+len(p.Line) == 0
		p.Standing = fmt.Sprintf("%s, %d waiting.", words.Count(leases, "lease"), len(p.Line)+p.LineMore)
		if leases > len(p.Holds) {
			p.Standing += fmt.Sprintf(" The first %d leases are shown.", len(p.Holds))
		}
		return p
	})
}
