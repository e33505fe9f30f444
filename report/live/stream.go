package live

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// streamLasts bounds one event stream; browsers open the next by themselves. A
	// client that reads nothing fills the buffers of its connection with no more than
	// is sent in that time.
	streamLasts = 15 * time.Minute
	// sendTimeout is how long a client may take for what it is sent.
	sendTimeout = 10 * time.Second
)

// events is the stream that tells pages when to fetch themselves again: for each look
// at the store, the version of what is to be seen and how old it is in ms.
//
//	event: look
//	data: K3FJWQ.17 12
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	st := s.poll.subscribe(s.opts.StreamsMost)
	if st == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many pages follow the store; this one does not refresh itself", http.StatusServiceUnavailable)
		return
	}
	defer s.poll.unsubscribe(st)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // that of the request is over
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep it back
	over := time.NewTimer(streamLasts)
	defer over.Stop()
	send := func(text string) bool {
		// Not all writers know of deadlines; the server's own do.
		_ = c.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return c.Flush() == nil
	}
	if !send("retry: 2000\n\n") {
		return
	}
	for {
		select {
		case now := <-st.news:
			age := time.Duration(0)
			if now.listing != nil {
				age = time.Since(now.at)
			}
			if !send(fmt.Sprintf("event: look\ndata: %s%d %d\n\n", s.prefix, now.version, age.Milliseconds())) {
				return
			}
		case <-over.C:
			return
		case <-r.Context().Done():
			return
		case <-s.ended.Done():
			return
		}
	}
}

// snapshot is the JSON of what is to be seen.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	st := s.poll.look(r.Context())
	if st == nil {
		st = &state{err: errNoListing, pages: newCache()}
	}
	type answer struct {
		*Listing
		Seen      time.Time `json:"seen,omitzero"`     // by the clock of the server
		Error     string    `json:"error,omitempty"`   // why there is nothing newer
		Warning   string    `json:"warning,omitempty"` // about the inventory
		Resources []row     `json:"resources"`
		Wanted    []wanted  `json:"most_wanted"`
	}
	body, err := st.pages.get("json", func() ([]byte, error) {
		a := answer{Listing: st.listing, Error: said(st.err), Warning: st.warning, Resources: []row{}, Wanted: []wanted{}}
		if st.listing != nil {
			a.Seen = st.at.UTC()
		}
		a.Resources, a.Wanted = append(a.Resources, st.rows...), append(a.Wanted, st.wanted...)
		return json.MarshalIndent(a, "", "  ")
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	age := int64(0)
	if st.listing == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		age = time.Since(st.at).Milliseconds()
	}
	// The age is another for each who asks, the rest is made once.
	fmt.Fprintf(w, "{\n  \"age_ms\": %d,", age)
	_, _ = w.Write(body[1:]) // to a client that may have gone
	fmt.Fprintln(w)
}

// health says that the server runs, and what it last saw of the store. It does not ask
// the store: who starts servers again must not do so because the store is away.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	st, _, _, _ := s.poll.figures()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case st == nil:
		fmt.Fprintln(w, "ok; nobody has looked yet")
	case st.err != nil:
		fmt.Fprintf(w, "ok; the store cannot be asked since %s\n", st.errSince.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(w, "ok; the store was seen at %s\n", st.at.UTC().Format(time.RFC3339))
	}
}
