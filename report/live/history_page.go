package live

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// note says from when what is shown is, and what is wrong with it.
func (p *past) note(zone *time.Location) string {
	if p == nil {
		return "The events are being read: load the page again in a moment."
	}
	text := "Read at " + p.at.In(zone).Format("15:04:05") + "."
	if p.err != nil {
		text = "The events cannot be read: " + words.Cut(words.Visible(p.err.Error())) + "."
	}
	if p.week == nil {
		return text
	}
	leftOut := func(n int, what string) string {
		if n == 1 {
			return words.Count(n, what) + " was left out."
		}
		return words.Count(n, what) + " were left out."
	}
	if n := p.week.left; n > 0 {
		text += fmt.Sprintf(" There are more than %d tests or resources: ", apartMost) + leftOut(n, "event")
	}
	if n := p.week.leftUses; n > 0 {
		text += fmt.Sprintf(" The last uses are kept of %d resources: ", usedMost) + leftOut(n, "other use")
	}
	if n := p.week.runs - runsMost; n > 0 {
		text += fmt.Sprintf(" What failures follow is from %d runs of tests: ", runsMost) + leftOut(n, "later run")
	}
	return text
}

// resource adds the past of a resource to its page.
func (h *History) resource(p *page, key string, zone *time.Location) {
	if h == nil {
		return
	}
	past := h.look()
	p.PastNote = past.note(zone)
	if past == nil || past.week == nil || past.day == nil {
		return
	}
	for _, w := range []struct {
		name string
		*window
	}{{"Last day", past.day}, {"Last week", past.week}} {
		text := w.name + ": "
		i := slices.IndexFunc(w.report.Resources, func(g report.Group) bool { return g.Name == key })
		if i < 0 || w.report.Resources[i].Acquired == 0 {
			text += "no test used it"
		} else {
			g := &w.report.Resources[i]
			text += fmt.Sprintf("used %s of the time, %s; waits P50 %s, P95 %s", words.Percent(w.share(g)), words.Count(g.Acquired, "use"), words.Short(g.Wait.P50), words.Short(g.Wait.P95))
		}
		if o := w.outages[key]; o != nil {
			text += "; out of service for " + span(o.total)
		}
		p.Lines = append(p.Lines, text+".")
	}
	for _, s := range past.week.suspects.Suspects {
		if s.Name == key {
			p.Lines = append(p.Lines, "Suspect: "+s.String()+".")
		}
	}
	u := past.week.uses[key]
	if u == nil {
		return
	}
	t := table{Label: "Last uses", Caption: "Its last uses, the newest first", Head: []string{"Test", "Since", "Held", "Waited", "Ended"}, Words: 1}
	for _, o := range slices.Backward(u.last) {
		t.Rows = append(t.Rows, []cell{{Text: words.Plain(o.test)}, {Text: o.from.In(zone).Format("01-02 15:04:05")}, {Text: words.Short(eventlog.MS(o.held))}, {Text: words.Short(eventlog.MS(o.waited))}, {Text: o.how, Job: link(o.url)}})
	}
	p.Tables = append(p.Tables, t)
}

// share is the part of the window during which a resource was used. That of the report
// is a part of the time from its first event to its last.
func (w *window) share(g *report.Group) float64 {
	return min(1, g.Utilisation*w.report.Window.Duration().Seconds()/w.to.Sub(w.from).Seconds())
}

// historyPage is the page of a window.
func (s *Server) historyPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.History == nil {
		s.message(w, r, http.StatusNotFound, "No such page", "This server knows no events: it is started with --events.")
		return
	}
	name := r.URL.Query().Get("window")
	title := "The last day"
	if name == "week" {
		title = "The last week"
	}
	p := s.frame(nil, r, title)
	past := s.opts.History.look()
	p.PastNote = past.note(s.zone)
	if past != nil && past.day != nil && past.week != nil {
		win := past.day
		if name == "week" {
			win = past.week
		}
		st, _, _, _ := s.poll.figures()
		win.sections(p, st)
	}
	leave := s.enter(w, r)
	if leave == nil {
		return
	}
	defer leave()
	body, err := render("history", p)
	if err != nil {
		s.message(w, r, http.StatusInternalServerError, "Error", err.Error())
		return
	}
	s.write(w, r, http.StatusOK, body, "")
}

// sections fills the page of a window. st may be nil.
func (w *window) sections(p *page, st *state) {
	for _, l := range summary.Headline(w.report) {
		p.Lines = append(p.Lines, strings.TrimSpace(l))
	}
	t := table{Label: "Use of resources", Caption: "Use of resources, those most waited for first", Head: []string{"Resource", "Used", "Uses", "Held", "Wait P50", "Wait P95", "Longest wait", "Out of service"}}
	for i := range w.report.Resources {
		g := &w.report.Resources[i]
		if len(t.Rows) == pastRows {
			t.More = len(w.report.Resources) - i
			break
		}
		out := ""
		if o := w.outages[g.Name]; o != nil {
			out = span(o.total)
		}
		t.Rows = append(t.Rows, []cell{{Text: words.Plain(g.Name), Key: g.Name}, {Text: words.Percent(w.share(g))}, {Text: fmt.Sprint(g.Acquired)}, {Text: words.Short(g.Hold.Total)},
			{Text: words.Short(g.Wait.P50)}, {Text: words.Short(g.Wait.P95)}, {Text: words.Short(g.Wait.Max)}, {Text: out}})
	}
	p.Sections = append(p.Sections, section{ID: "use", Title: "Use", Tables: []table{t}})
	waits := section{ID: "waits", Title: "Waits"}
	for _, o := range summary.Tables(w.report, summary.View{By: []summary.By{summary.ByPool, summary.ByTest, summary.ByPair}}, 20) {
		waits.Tables = append(waits.Tables, tableOf(&o))
	}
	if len(waits.Tables) > 0 {
		p.Sections = append(p.Sections, waits)
	}
	if t := w.outOfService(st); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, section{ID: "out", Title: "Out of service", Tables: []table{t}})
	}
	sus := section{ID: "suspects", Title: "What failures follow", Lines: []string{w.suspects.Summary()}}
	for _, s := range w.suspects.Suspects {
		sus.Lines = append(sus.Lines, s.String()+" (chance: "+s.Chance()+")")
	}
	p.Sections = append(p.Sections, sus)
}

// outOfService lists what was disabled, by events, and by the store if it still is.
func (w *window) outOfService(st *state) table {
	t := table{Label: "Out of service", Caption: "Resources that were disabled, the longest first", Head: []string{"Resource", "For", "By", "Reason"}, Words: 2}
	all := map[string]outage{}
	for k, o := range w.outages {
		all[k] = *o
	}
	if st != nil {
		for i := range st.rows {
			r := &st.rows[i]
			if r.State != "disabled" {
				continue
			}
			h := r.holders[0]
			o := all[r.Key]
			if o.since.IsZero() { // disabled before the window, or without an event
				from := h.Since
				if from.Before(w.from) {
					from = w.from
				}
				o.total += max(0, w.to.Sub(from))
			}
			o.by, o.why = nameOf(h.Owner), h.Reason
			all[r.Key] = o
		}
	}
	var keys []string
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(all[b].total, all[a].total), strings.Compare(a, b)) })
	for i, k := range keys {
		if i == pastRows {
			t.More = len(keys) - i
			break
		}
		o := all[k]
		by := ""
		if o.by != "" {
			by = words.Plain(o.by)
		}
		t.Rows = append(t.Rows, []cell{{Text: words.Plain(k), Key: k}, {Text: span(o.total)}, {Text: by}, {Text: words.Cut(words.Visible(o.why))}})
	}
	return t
}

// tableOf is a table of the report.
func tableOf(o *summary.Table) table {
	t := table{Label: o.Title, Caption: o.Title, Head: o.Head, Words: o.Words, More: o.More}
	if o.Note != "" {
		t.Caption += ", " + o.Note
	}
	for _, r := range o.Rows {
		var row []cell
		for i, c := range r {
			if (i == 0 || !t.Numeric(i)) && c != "" {
				c = words.Plain(c)
			}
			row = append(row, cell{Text: c})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
