package live

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// How many rows a page has at most. Who looks for one of the others says which.
const (
	rowsMost = 2000
	lineMost = 1000
)

// A page is what the templates show.
type page struct {
	Title, Store, Standing string
	Seen, AsOf, Zone       string
	Trouble, Warning       string
	Version                string
	Now                    int64 // the store's clock, in ms since 1970
	Refresh                int   // seconds
	Here, Again            string
	Live, Loaded           bool
	HasPast                bool

	User                string
	CanLogIn, CanLogOut bool
	LogInHelp           string
	CSRF                string
	Notices             []notice
	Forms               []form

	Filter      string
	Caption     string
	Rows        []rowView
	RowsMore    int
	Line        []lineView
	LineMore    int
	ShowLine    bool
	LineTitle   string
	LineCaption string
	Wanted      *table
	Unknown     bool
	Holds       []holdView
	Facts       []fact
	PastNote    string
	Lines       []string
	Tables      []table
	Sections    []section
}

type notice struct {
	Text string
	Bad  bool
}

// An age is a moment that is shown by how long ago it was, or how far off it is.
type age struct{ RFC, Text string }

// ago is the age of a moment, nil if it is not known.
func ago(at, now time.Time) *age {
	if at.IsZero() || now.IsZero() {
		return nil
	}
	return &age{at.UTC().Format(time.RFC3339), span(now.Sub(at))}
}

// ahead is how far off a moment is.
func ahead(at, now time.Time) *age {
	if at.IsZero() || now.IsZero() {
		return nil
	}
	a := &age{at.UTC().Format(time.RFC3339), "any moment"}
	if d := at.Sub(now); d >= time.Second/2 { // less would be shown as «in 0s»
		a.Text = "in " + span(d)
	}
	return a
}

// span words a duration in whole seconds, as the script of the page does.
func span(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return words.Short(eventlog.MS(d))
}

// clock is a time of the day, with the day if that is not today.
func clock(at, now time.Time, zone *time.Location) string {
	at, now = at.In(zone), now.In(zone)
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}

// A who is somebody who holds or waits.
type who struct{ ID, Name, Sub, Job string }

func whoOf(id string, o lockcore.Owner) *who {
	w := &who{ID: id, Name: words.Plain(nameOf(o)), Job: link(o.URL)}
	if o.User != "" && o.Test == "" {
		return w // the process that asked for a person has ended
	}
	var sub []string
	for _, s := range []string{o.Package, o.Host} {
		if s != "" {
			sub = append(sub, words.Plain(s))
		}
	}
	if o.PID != 0 {
		sub = append(sub, fmt.Sprint("pid ", o.PID))
	}
	w.Sub = strings.Join(sub, ", ")
	return w
}

func nameOf(o lockcore.Owner) string {
	return cmp.Or(o.Test, o.User, o.Run, o.Package, o.Host, "an unnamed holder")
}

// link is an address if a reader may follow it.
func link(url string) string {
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		return url
	}
	return ""
}

type rowView struct {
	Mark                   string // tells rows apart
	Key, Name, Pool, State string
	Since                  *age
	Note                   string
	Who                    *who
	Reason, More           string
	Until                  *untilView
	Waiting                int
}

// mark is a name by which the script of the page tells rows apart. It is quoted where a
// browser would change it: two keys may differ in nothing else.
func mark(s string) string {
	if words.Visible(s) == s {
		return s
	}
	return strconv.Quote(s)
}

type untilView struct {
	Clock string
	When  *age
	Sure  bool
}

func (s *Server) rowView(r *row, now time.Time) rowView {
	v := rowView{Mark: mark(r.Key), Key: r.Key, Name: words.Plain(r.Key), State: r.State, Waiting: r.Waiting}
	if r.Pool != "" {
		v.Pool = words.Plain(r.Pool)
	}
	if len(r.holders) == 0 {
		if r.Last != "" {
			v.Note = "last use: " + r.Last
		}
		if r.asideOf != "" {
			v.Note = "kept aside for the line"
		}
		return v
	}
	h := r.holders[0]
	v.Since, v.Who, v.Reason = ago(h.Since, now), whoOf(h.ID, h.Owner), words.Cut(words.Visible(h.Reason))
	if end, sure := h.until(); !end.IsZero() {
		v.Until = &untilView{clock(end, now, s.zone), ahead(end, now), sure}
	}
	if r.Seats > 0 {
		v.Note = fmt.Sprintf("%d of %d seats", r.seatsTaken(), r.Seats)
	}
	switch n := len(r.holders) - 1; {
	case n == 1:
		v.More = "and " + words.Plain(nameOf(r.holders[1].Owner))
		if h.State == "disabled" {
			v.More = "still held by " + words.Plain(nameOf(r.holders[1].Owner))
		}
	case n > 1:
		v.More = fmt.Sprint("and ", n, " more")
	}
	return v
}

func (r *row) seatsTaken() (n int) {
	for _, h := range r.holders {
		if h.State == "disabled" {
			continue
		}
		for _, k := range h.Keys {
			if k == r.Key {
				n++
			}
		}
	}
	return n
}

type lineView struct {
	Mark         string // tells rows apart
	Place        int
	ID           string
	Who          *who
	Wants, Aside string
	Reason       string
	Priority     string
	Since, Start *age
}

func lineOf(l *Listing, i int) lineView {
	w := &l.Waiters[i]
	v := lineView{Mark: mark(w.ID), Place: w.Place, ID: w.ID, Who: whoOf(w.ID, w.Owner), Wants: words.Cut(words.Visible(strings.Join(w.Wants, " and "))),
		Reason: words.Cut(words.Visible(w.Reason)), Since: ago(w.Since, l.Time)}
	if len(w.Reserved) > 0 {
		var keys []string
		for _, k := range w.Reserved {
			keys = append(keys, words.Plain(k))
		}
		v.Aside = words.Cut(strings.Join(keys, ", "))
	}
	switch {
	case w.Priority >= lockcore.FrontOfLine:
		v.Priority = "front of the line"
	case w.Priority != 0:
		v.Priority = fmt.Sprint(w.Priority)
	}
	if !w.Start.IsZero() {
		v.Start = ahead(w.Start, l.Time)
	}
	return v
}

// line fills the line of a page with those that are wanted.
func (p *page) line(st *state, want func(i int) bool) {
	n := 0
	for i := range st.listing.Waiters {
		if !want(i) {
			continue
		}
		if n++; len(p.Line) < lineMost {
			p.Line = append(p.Line, lineOf(st.listing, i))
		}
	}
	p.LineMore = n - len(p.Line)
	p.LineCaption = "Nobody waits."
	if n > 0 {
		p.LineCaption = words.Count(n, "request") + ", the first is served first"
	}
}

// A table is one whose cells may be links.
type table struct {
	Label, Caption string
	Head           []string
	Words          int // how many of the last columns are words and not numbers
	Rows           [][]cell
	More           int
}

type cell struct{ Text, Key, Job string }

// Numeric reports whether column i holds numbers.
func (t table) Numeric(i int) bool { return i > 0 && i < len(t.Head)-t.Words }

type section struct {
	ID, Title string
	Lines     []string
	Tables    []table
}

func wantedTable(l []wanted) *table {
	if len(l) == 0 {
		return nil
	}
	t := &table{Label: "Most waited for", Caption: "What most requests wait for now, with how long they have waited", Head: []string{"What", "Waiting", "Mean", "Longest"}}
	for _, c := range l {
		t.Rows = append(t.Rows, []cell{{Text: words.Plain(c.Name)}, {Text: fmt.Sprint(c.Waiting)}, {Text: span(c.Mean.Duration())}, {Text: span(c.Longest.Duration())}})
	}
	return t
}
