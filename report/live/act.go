package live

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// An asked is what the form of an action says.
type asked struct {
	by      string
	key     string
	holder  string        // ID of who held it on the page with the form
	length  time.Duration // 0 if the form says none
	reason  string
	checked func(name string) bool
}

// A done is what an action did. An empty Deed.Action means that there is nothing to
// put on record yet.
type done struct {
	Deed
	text string
	bad  bool // the text is about what should not have happened
}

// An action does what a form asks for.
type action func(context.Context, *asked) (done, error)

// reasonMost bounds a reason, in bytes.
const reasonMost = 500

// act lets a person do something, puts it on record, and sends the browser back to the
// page.
func (p *permissions) act(w http.ResponseWriter, r *http.Request, do action) {
	u, ok := p.user(r)
	if !ok {
		p.s.message(w, r, http.StatusForbidden, "Not logged in", "Nothing was done: log in, and try again.")
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		p.s.message(w, r, http.StatusUnsupportedMediaType, "Refused", "Nothing was done: this is not the form of the page.")
		return
	}
	if err := r.ParseForm(); err != nil {
		p.s.message(w, r, http.StatusBadRequest, "Refused", "Nothing was done: the form cannot be read.")
		return
	}
	// Before the budget: forms that another site sends are not to use up that of the person.
	if !p.good(r, u) {
		p.s.message(w, r, http.StatusForbidden, "Refused", "Nothing was done: this form is too old, or not from this server. Load the page again.")
		return
	}
	if !p.actions.allow(u.name) {
		w.Header().Set("Retry-After", "60")
		p.s.message(w, r, http.StatusTooManyRequests, "Too much at once", "Nothing was done: 30 actions a minute are the most.")
		return
	}
	a, err := readForm(r, u.name)
	if err != nil {
		p.s.message(w, r, http.StatusBadRequest, "Refused", "Nothing was done: "+err.Error()+".")
		return
	}
	// It is done to its end, also when the browser goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), p.s.opts.Timeout)
	defer cancel()
	d, err := do(ctx, a)
	p.finish(ctx, a, d, err)
	seeOther(w, "resource?key="+url.QueryEscape(a.key))
}

// finish tells what became of an action, and puts it on record.
func (p *permissions) finish(ctx context.Context, a *asked, d done, err error) {
	p.s.poll.soon() // the browser is sent to a page that should show what was done, or what is in the way
	if err != nil {
		p.note(a.by, why(err), true)
		return
	}
	p.note(a.by, d.text, d.bad)
	if d.Action == "" {
		return
	}
	d.By = a.by
	if err := p.access.Record(ctx, d.Deed); err != nil {
		p.note(a.by, "The event of this action was not written: "+why(err), true)
	}
}

func readForm(r *http.Request, by string) (*asked, error) {
	f := r.PostForm
	a := &asked{by: by, holder: f.Get("holder"), reason: strings.TrimSpace(f.Get("reason")), checked: func(name string) bool { return f.Get(name) == "yes" }}
	var err error
	// A form changes line ends and bytes that are no text; a key may have any.
	if a.key, err = url.QueryUnescape(f.Get("key")); err != nil || a.key == "" {
		return nil, errors.New("the form names no resource")
	}
	if len(a.reason) > reasonMost {
		return nil, fmt.Errorf("the reason is longer than %d bytes", reasonMost)
	}
	if text := strings.TrimSpace(f.Get("for")); text != "" {
		if a.length, err = time.ParseDuration(text); err != nil || a.length <= 0 || a.length > 366*24*time.Hour {
			return nil, fmt.Errorf("%s is no length of time: write 30m, 2h or 48h", words.Plain(text))
		}
	}
	return a, nil
}

const (
	waitsMost    = 100 // of all people
	waitsMostOne = 5   // of one
	// linger is how long the answer to a form waits for the reservation: most need not
	// stand in line.
	linger = time.Second
)

// pending are the requests that wait in line on behalf of people.
type pending struct {
	mu   sync.Mutex
	byID map[string]*waitingFor
	work sync.WaitGroup
}

type waitingFor struct {
	by, key string
	cancel  context.CancelFunc
}

// add notes a request, unless there are too many.
func (p *pending) add(ended context.Context, id string, w *waitingFor) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ended.Err() != nil {
		return errors.New("this server ends")
	}
	own := 0
	for _, o := range p.byID {
		if o.by == w.by {
			own++
		}
	}
	switch {
	case own >= waitsMostOne:
		return fmt.Errorf("%d of your reservations wait in line already: withdraw one", own)
	case len(p.byID) >= waitsMost:
		return fmt.Errorf("%d reservations of all people wait in line here already: try again when some are served", len(p.byID))
	}
	p.byID[id] = w
	p.work.Add(1) // under the lock: close waits for all that are added before it
	return nil
}

// close waits for the end of all requests. What ended says is over.
func (p *pending) close() {
	p.mu.Lock()
	for _, w := range p.byID {
		w.cancel()
	}
	p.mu.Unlock() // none is added any more
	p.work.Wait()
}

func (p *pending) remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, id)
}

// of is the request of a person.
func (p *pending) of(id, by string) *waitingFor {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.byID[id]; w != nil && w.by == by {
		return w
	}
	return nil
}

// reserve waits in line as the command does. The form is answered before the end of a
// long wait, which goes on here.
func (p *permissions) reserve(ctx context.Context, a *asked) (done, error) {
	if a.length <= 0 {
		return done{}, errors.New("say for how long: 30m, 2h")
	}
	req := lockcore.Request{ID: rand.Text(), For: a.length, Reason: a.reason, Owner: lockcore.Owner{User: a.by}}
	req.Requirements = []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: a.key}}}}
	// By the seat, if the inventory says so: a whole license server is not what is meant.
	if st := p.s.poll.look(ctx); st != nil {
		if r := st.row(a.key); r != nil {
			req.Requirements[0].Seats = r.Seats
		}
	}
	if a.checked("next") {
		req.Priority = lockcore.FrontOfLine
	}
	wait, cancel := context.WithCancel(p.s.ended)
	if err := p.pending.add(p.s.ended, req.ID, &waitingFor{a.by, a.key, cancel}); err != nil {
		cancel()
		return done{}, err
	}
	ended := make(chan struct{})
	answered := make(chan bool, 1) // whether the form was answered before the end
	var d done
	var err error
	go func() {
		defer p.pending.work.Done()
		defer cancel()
		var h lockcore.Holder
		h, err = p.s.locker.Reserve(wait, req)
		p.pending.remove(req.ID)
		d = done{Deed: Deed{Action: "reserve", Keys: h.Keys(), Reason: a.reason, Until: h.Expires.UTC(), Token: h.Token},
			text: fmt.Sprintf("Reserved %s until %s.", words.Plain(a.key), p.s.moment(h.Expires))}
		if errors.Is(err, context.Canceled) {
			err = fmt.Errorf("the request for %s was withdrawn", words.Plain(a.key))
		}
		close(ended)
		if <-answered {
			late, cancel := context.WithTimeout(context.Background(), p.s.opts.Timeout)
			defer cancel()
			p.finish(late, a, d, err)
		}
	}()
	soon := time.NewTimer(linger)
	defer soon.Stop()
	select {
	case <-ended:
		answered <- false
		return d, err
	case <-soon.C:
		answered <- true
		return done{text: fmt.Sprintf("Your request for %s stands in line. It is kept there as long as this server runs.", words.Plain(a.key))}, nil
	}
}

// withdraw takes a request of one's own out of the line.
func (p *permissions) withdraw(_ context.Context, a *asked) (done, error) {
	w := p.pending.of(a.holder, a.by)
	if w == nil {
		return done{}, errors.New("this request does not wait any more, or is not yours")
	}
	w.cancel()
	return done{text: "Withdrawn."}, nil
}

func (p *permissions) extend(ctx context.Context, a *asked) (done, error) {
	if a.length <= 0 {
		return done{}, errors.New("say for how long from now: 30m, 2h")
	}
	found, err := p.s.locker.ExtendReservation(ctx, a.by, false, a.length, a.key)
	if err != nil {
		return done{}, err
	}
	until := found[0].Expires
	return done{Deed: Deed{Action: "extend", Keys: []string{a.key}, Reason: a.reason, Until: until.UTC()},
		text: fmt.Sprintf("Reserved %s until %s.", words.Plain(a.key), p.s.moment(until))}, nil
}

func (p *permissions) release(ctx context.Context, a *asked) (done, error) {
	ended, err := p.s.locker.EndReservation(ctx, a.by, a.checked("force"), a.key)
	if err != nil {
		return done{}, errors.New(strings.ReplaceAll(err.Error(), "only force ends it", "tick the box to end it all the same"))
	}
	d := done{Deed: Deed{Action: "release", Keys: []string{a.key}, Reason: a.reason}, text: "Released " + words.Plain(a.key) + "."}
	for _, h := range ended {
		d.Held = append(d.Held, HoldingOf(h, time.Time{}))
		if h.Owner.User != a.by {
			d.text = fmt.Sprintf("Released %s, which %s had reserved.", words.Plain(a.key), words.Plain(h.Owner.String()))
		}
	}
	return d, nil
}

func (p *permissions) disable(ctx context.Context, a *asked) (done, error) {
	if a.reason == "" {
		return done{}, errors.New("say why, for those whose tests will not run")
	}
	o := lockcore.Outage{Keys: []string{a.key}, Owner: lockcore.Owner{User: a.by}, Reason: a.reason, Now: a.checked("now"), For: a.length}
	out, err := Disable(ctx, p.s.locker, o)
	if err != nil {
		return done{}, err
	}
	d := done{text: "Disabled " + words.Plain(a.key) + "."}
	for _, one := range out.Deeds(a.by, a.reason) { // of one key there is one at most
		d.Deed = one
	}
	switch {
	case !d.Until.IsZero():
		d.text = fmt.Sprintf("Disabled %s until %s.", words.Plain(a.key), p.s.moment(d.Until))
	case o.For > 0: // for longer, if it was disabled before
		d.text = fmt.Sprintf("Disabled %s for %s or longer.", words.Plain(a.key), span(o.For))
	}
	for _, h := range out.Left {
		until := "until it is enabled"
		if !h.Expires.IsZero() {
			until = "until " + p.s.moment(h.Expires)
		}
		d.text = fmt.Sprintf("%s was disabled by %s already, and stays so %s: enable it first for another end.", words.Plain(a.key), words.Plain(h.Owner.String()), until)
	}
	for _, h := range out.Held {
		d.Held = append(d.Held, HoldingOf(h, time.Time{}))
		if o.Now {
			d.text += " It was taken from " + words.Plain(h.Owner.String()) + "."
		} else {
			d.text += " It is held by " + words.Plain(h.Owner.String()) + " until it is given back."
		}
	}
	return d, nil
}

func (p *permissions) enable(ctx context.Context, a *asked) (done, error) {
	if _, err := p.s.locker.Enable(ctx, a.key); err != nil {
		return done{}, err
	}
	return done{Deed: Deed{Action: "enable", Keys: []string{a.key}, Reason: a.reason}, text: "Enabled " + words.Plain(a.key) + "."}, nil
}

// free takes a resource from whom the page showed as its holder; from one who got it since
// it is not taken. A store frees by key, whoever has it, so looking and freeing are two
// steps: should the resource change hands in between after all, that is told.
func (p *permissions) free(ctx context.Context, a *asked) (done, error) {
	name := words.Plain(a.key)
	if !a.checked("force") {
		return done{}, fmt.Errorf("nothing was freed: tick the box to take %s away", name)
	}
	snap, err := p.s.store.Snapshot(ctx)
	if err != nil {
		return done{}, err
	}
	had := map[string]bool{} // several have what is shared
	for _, h := range snap.Holders {
		had[h.ID] = slices.Contains(h.Keys(), a.key)
	}
	if !had[a.holder] {
		return done{}, fmt.Errorf("%s is not held by the one that the page showed any more: it was left alone", name)
	}
	reason := "freed by " + a.by + " with rtest-report serve"
	if a.reason != "" {
		reason += ": " + a.reason
	}
	freed, err := p.s.store.Free(ctx, a.key, reason)
	if err != nil {
		return done{}, err
	}
	d := done{Deed: Deed{Action: "free", Keys: []string{a.key}, Reason: a.reason}}
	var texts []string
	for _, h := range freed {
		d.Held = append(d.Held, HoldingOf(h, time.Time{}))
		text := fmt.Sprintf("Freed %s from %s", name, words.Plain(h.Owner.String()))
		var also []string
		for _, k := range h.Keys() {
			if k != a.key {
				also = append(also, words.Plain(k))
			}
		}
		if len(also) > 0 {
			text += ", with " + strings.Join(also, ", ")
		}
		texts = append(texts, text+".")
		if !had[h.ID] {
			d.bad = true
			texts = append(texts, fmt.Sprintf("%s had just been handed on: look after %s.", name, words.Plain(h.Owner.String())))
		}
	}
	d.text = cmp.Or(strings.Join(texts, " "), "Freed "+name+".")
	return d, nil
}
