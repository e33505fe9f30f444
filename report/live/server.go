package live

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// Options of [New]; the zero value will do.
type Options struct {
	// Items lists what the inventory has; called once for each look at the store. Its
	// error is shown, and what it lists with an error is used all the same. nil means
	// that there is no inventory.
	Items func(context.Context) ([]Item, error)
	// Timeout is how long the store may take for an answer; default 10 s.
	Timeout time.Duration
	// Hosts are the names in the Host header that are answered beside addresses and
	// localhost, without a port.
	Hosts []string
	// StreamsMost is how many pages may follow the store at a time; default 1000.
	// Further pages are served, too, but do not refresh themselves.
	StreamsMost int
	// History, if set, has pages of its own.
	History *History
	// Access, if set, says who may do what; nil means that everybody may only look.
	Access *Access
	// ErrorLog tells the operator what is wrong with the server itself: that the token file
	// cannot be read any more. The default is that of package log.
	ErrorLog *log.Logger
	// Zone is the time zone of the pages; default time.Local.
	Zone *time.Location
}

// A Server serves the pages. It is an http.Handler, safe for concurrent use. Links
// are relative, so that a proxy may serve it below any path.
type Server struct {
	opts   Options
	store  lockcore.Store
	locker *lockcore.Locker
	zone   *time.Location
	poll   *poller
	mux    *http.ServeMux
	ended  context.Context
	end    context.CancelFunc
	prefix string // of versions: those of another process are others
	marker string // stands in rendered pages for how old they are
	access *permissions
	cross  *http.CrossOriginProtection
	own    chan struct{} // room for pages for one client alone
}

// New makes a server of the store, which stays the caller's: it must outlive the
// server. Close the server at the end. The error is one of [Options.Access].
func New(store lockcore.Store, o Options) (*Server, error) {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.ErrorLog = cmp.Or(o.ErrorLog, log.Default())
	o.StreamsMost = cmp.Or(o.StreamsMost, 1000)
	s := &Server{opts: o, store: store, locker: lockcore.New(store, nil), zone: o.Zone, prefix: rand.Text()[:6] + ".", marker: rand.Text(), cross: http.NewCrossOriginProtection(), own: make(chan struct{}, ownMost)}
	if s.zone == nil {
		s.zone = time.Local
	}
	s.ended, s.end = context.WithCancel(context.Background())
	s.poll = &poller{ctx: s.ended, take: s.take, timeout: o.Timeout, streams: map[*stream]bool{}}
	var err error
	if s.access, err = newPermissions(s, o.Access); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// Close ends the event streams, withdraws the requests that wait on behalf of people,
// and returns when nothing of the server runs any more. Call it before
// http.Server.Shutdown, which waits for the streams.
func (s *Server) Close() {
	s.end()
	s.access.close()
	s.poll.close()
	s.opts.History.close()
}

// Harden sets the limits of an http.Server that serves s, on how much a client may send
// and on how long that may take: 5 s for headers of 16 KiB, 15 s for a request, 30 s for
// an answer.
func (s *Server) Harden(h *http.Server) {
	h.ReadHeaderTimeout, h.ReadTimeout, h.WriteTimeout, h.IdleTimeout = 5*time.Second, 15*time.Second, 30*time.Second, time.Minute
	h.MaxHeaderBytes = 16 << 10
}

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /{$}", s.nowPage)
	s.mux.HandleFunc("GET /resource", s.resourcePage)
	s.mux.HandleFunc("GET /request", s.requestPage)
	s.mux.HandleFunc("GET /run", s.runPage)
	s.mux.HandleFunc("GET /history", s.historyPage)
	s.mux.HandleFunc("GET /events", s.events)
	s.mux.HandleFunc("GET /api/v1/snapshot", s.snapshot)
	s.mux.HandleFunc("GET /metrics", s.metrics)
	s.mux.HandleFunc("GET /healthz", s.health)
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		s.mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
		})
	}
	s.access.routes(s.mux)
}

// bodyMost bounds what a request may send.
const bodyMost = 64 << 10

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !s.knows(r.Host) {
		s.message(w, r, http.StatusMisdirectedRequest, "Unknown name",
			fmt.Sprintf("This server does not answer to the name %s. If that is its name, start it with --host %s.", words.Plain(r.Host), words.Plain(hostName(r.Host))))
		return
	}
	if err := s.cross.Check(r); err != nil {
		s.message(w, r, http.StatusForbidden, "Refused", "The request comes from a page of another site. Nothing was done.")
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		s.message(w, r, http.StatusNotFound, "No such page", "There is no page of this name.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyMost)
	s.access.prepare(w, r)
	s.mux.ServeHTTP(w, r)
}

// knows reports whether a Host header names this server. A name of somebody else's
// may lead here, too, so only those are known that nobody can give away: addresses,
// localhost, and what the options list.
func (s *Server) knows(host string) bool {
	name := hostName(host)
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") {
		return true
	}
	for _, h := range s.opts.Hosts {
		if name != "" && strings.EqualFold(name, hostName(h)) {
			return true
		}
	}
	return false
}

// hostName is a host without its port, and without the brackets of an address.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

//go:embed assets
var assets embed.FS

// templates are one for each kind of page, below the common frame. They are parsed when
// the first page is made: that takes 2 ms, which the other commands of the tool need
// not wait for.
var templates = sync.OnceValue(func() map[string]*template.Template {
	m := map[string]*template.Template{}
	for _, name := range []string{"now", "resource", "request", "history", "login", "message"} {
		m[name] = template.Must(template.New("").ParseFS(assets, "assets/page.tmpl", "assets/"+name+".tmpl"))
	}
	return m
})

// take is one look at the store.
func (s *Server) take(ctx context.Context) (*state, error) {
	var items []Item
	warning := ""
	if s.opts.Items != nil {
		var err error
		if items, err = s.opts.Items(ctx); err != nil {
			warning = "The inventory: " + words.Cut(words.Visible(err.Error()))
		}
	}
	snap, err := s.locker.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	st := &state{at: time.Now(), snap: snap, warning: warning}
	st.listing = list(s.store.String(), snap, items, lockcore.Requirement.Brief)
	st.rows = rowsOf(st.listing, &st.snap, items)
	st.wanted = wantedOf(&st.snap)
	st.outline = st.listing.outline()
	for i := range st.rows {
		r := &st.rows[i]
		st.outline += r.Key + "\x00" + r.Pool + "\x00" + strconv.Itoa(r.Waiting) + "\x00"
	}
	return st, nil
}

// frame is what all pages have in common.
func (s *Server) frame(st *state, r *http.Request, title string) *page {
	p := &page{Title: title, HasPast: s.opts.History != nil, Zone: time.Now().In(s.zone).Format("MST")}
	s.access.frame(p, r)
	if st == nil {
		return p
	}
	q := r.URL.Query()
	p.Live = true
	p.Version = s.prefix + strconv.FormatUint(st.version, 10)
	if n, err := strconv.Atoi(q.Get("refresh")); err == nil && n > 0 {
		p.Refresh = max(2, n) // without a script it loads the whole page again
	}
	q.Del("refresh")
	p.Here = here(r, q)
	q.Set("refresh", "10")
	p.Again = here(r, q)
	p.Store = words.Visible(s.store.String())
	p.Warning = st.warning
	if st.err != nil {
		p.Trouble = fmt.Sprintf("The store cannot be asked since %s: %s", st.errSince.In(s.zone).Format("15:04:05"), words.Cut(words.Visible(st.err.Error())))
		if st.listing != nil {
			p.Trouble += " What stands here was seen before."
		}
	}
	if st.listing == nil {
		p.Standing = "Nothing is known of the store yet."
		return p
	}
	p.Loaded = true
	p.Now = st.listing.Time.Add(time.Since(st.at)).UnixMilli()
	p.Standing = standing(st.rows, st.listing)
	p.Seen, p.AsOf = st.at.In(s.zone).Format("15:04:05"), s.marker
	return p
}

// here is the present page with other parameters, as a relative link.
func here(r *http.Request, q url.Values) string {
	link := "./" + strings.TrimPrefix(r.URL.Path, "/")
	if len(q) > 0 {
		link += "?" + q.Encode()
	}
	return link
}

// render makes a page.
func render(name string, p *page) ([]byte, error) {
	var b bytes.Buffer
	if err := templates()[name].ExecuteTemplate(&b, "page", p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// show answers with a page that make makes of what is to be seen now. It is made once
// for all who see the same.
func (s *Server) show(w http.ResponseWriter, r *http.Request, name string, make func(*state) *page) {
	st := s.poll.look(r.Context())
	if st == nil {
		s.message(w, r, http.StatusServiceUnavailable, "Not yet", "The store has not been asked yet.")
		return
	}
	status := http.StatusOK
	if st.listing == nil {
		status = http.StatusServiceUnavailable
	}
	build := func() ([]byte, error) { return render(name, make(st)) }
	var body []byte
	err := errFull
	// A page of a person has the name, notes and forms in it, and is made for that one alone.
	if s.access.knowsNobody(r) {
		body, err = st.pages.get(r.URL.Path+"?"+r.URL.RawQuery, build)
	}
	if errors.Is(err, errFull) {
		leave := s.enter(w, r)
		if leave == nil {
			return
		}
		defer leave()
		body, err = build()
	}
	if err != nil {
		s.message(w, r, http.StatusInternalServerError, "Error", err.Error())
		return
	}
	s.write(w, r, status, body, span(time.Since(st.at))+" ago")
}

// ownMost bounds the pages that are made for one client alone and sent at a time: a
// slow client keeps its page in memory.
const ownMost = 64

// enter waits for room to make a page for one client alone. nil means that there was
// none, and that the client was told.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) (leave func()) {
	wait := time.NewTimer(5 * time.Second)
	defer wait.Stop()
	select {
	case s.own <- struct{}{}:
		return func() { <-s.own }
	case <-wait.C:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many pages are asked for", http.StatusServiceUnavailable)
	case <-r.Context().Done():
	}
	return nil
}

// write sends a page, in which asOf takes the place of the marker. What many see is not
// copied for each of them.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, body []byte, asOf string) {
	before, after, found := bytes.Cut(body, []byte(s.marker))
	if !found {
		asOf = ""
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(before)+len(asOf)+len(after)))
	w.WriteHeader(status)
	for _, part := range [][]byte{before, []byte(asOf), after} {
		_, _ = w.Write(part) // to a client that may have gone
	}
}

// message answers with a page of a few lines.
func (s *Server) message(w http.ResponseWriter, r *http.Request, status int, title string, lines ...string) {
	p := s.frame(nil, r, title)
	p.Lines = lines
	body, err := render("message", p)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.write(w, r, status, body, "")
}

var errNoListing = errors.New("nothing is known of the store yet")
