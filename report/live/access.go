package live

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// An Access says who may act, and how they are known: by a token, or by what a proxy
// says of them.
type Access struct {
	// TokenFile has a line for each person: the name, a space, and a token of 16
	// characters or more. Empty lines and those that begin with # are ignored. New fails
	// when others than the owner can read the file. The server reads it again when it
	// changes: removing a token ends the sessions that began with it.
	TokenFile string
	// UserHeader is the header in which a proxy says who asks, such as
	// X-Forwarded-User. It counts only on connections from TrustedProxies. The proxy
	// must remove it from what browsers send.
	UserHeader     string
	TrustedProxies []netip.Prefix
	// Record puts an action on record, after it was done. Its error is told to the
	// person, who then knows that the action has left no trace.
	Record func(context.Context, Deed) error
}

// A Deed is what a person did.
type Deed struct {
	Action string   `json:"action"` // "reserve", "extend", "release", "disable", "enable" or "free"
	Keys   []string `json:"keys"`
	By     string   `json:"by"`
	Reason string   `json:"reason,omitempty"`
	// Until is the end of what was reserved or disabled; zero if there is none.
	Until time.Time `json:"until,omitzero"`
	Token uint64    `json:"token,omitempty"`
	Held  []Holding `json:"held,omitempty"` // by whom it was held, or still is; also an outage that stays as it was
}

const (
	sessionCookie = "rtest_session"
	sessionLasts  = 12 * time.Hour
	userMost      = 200 // bytes of a name
)

// permissions are an Access at work. A nil Access lets nobody act.
type permissions struct {
	s      *Server
	access *Access
	secret [32]byte // signs cookies and tokens of forms; another in each process
	tokens *tokenFile

	attempts, actions *limiter
	pending           pending
	mu                sync.Mutex
	notes             map[string][]note
	unread            string // why the tokens could not be read when somebody last asked
}

func newPermissions(s *Server, a *Access) (*permissions, error) {
	p := &permissions{s: s, access: a, notes: map[string][]note{}, attempts: newLimiter(10), actions: newLimiter(30)}
	p.pending.byID = map[string]*waitingFor{}
	if a == nil {
		return p, nil
	}
	_, _ = rand.Read(p.secret[:]) // it never fails
	switch {
	case a.Record == nil:
		return nil, errors.New("live: Access.Record is nil: each action is put on record")
	case a.TokenFile == "" && a.UserHeader == "":
		return nil, errors.New("live: Access has neither a TokenFile nor a UserHeader: nobody could act")
	case a.UserHeader != "" && len(a.TrustedProxies) == 0:
		return nil, errors.New("live: Access.UserHeader counts only from TrustedProxies, and there are none")
	case a.TokenFile != "":
		p.tokens = &tokenFile{path: a.TokenFile}
		if _, err := p.tokens.read(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *permissions) close() { p.pending.close() }

func (p *permissions) routes(m *http.ServeMux) {
	if p.access == nil {
		return
	}
	if p.tokens != nil {
		m.HandleFunc("GET /login", p.loginPage)
		m.HandleFunc("POST /login", p.login)
		m.HandleFunc("POST /logout", p.logout)
	}
	for name, do := range map[string]action{"reserve": p.reserve, "extend": p.extend, "release": p.release, "disable": p.disable, "enable": p.enable, "free": p.free, "withdraw": p.withdraw} {
		m.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { p.act(w, r, do) })
	}
}

// A user is a person who may act.
type user struct {
	name    string
	session string // what the tokens of forms belong to
	cookie  bool   // known by a token, and can log out
}

// user is who asks, if that is known.
func (p *permissions) user(r *http.Request) (user, bool) {
	if p.access == nil {
		return user{}, false
	}
	if name, ok := p.proxied(r); ok {
		if c, err := r.Cookie(sessionCookie); err == nil {
			return user{name: name, session: c.Value}, true
		}
		return user{name: name}, true
	}
	if p.tokens == nil {
		return user{}, false
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return user{}, false
	}
	name, ok := p.session(c.Value)
	return user{name: name, session: c.Value, cookie: true}, ok
}

// proxied is who asks by what a trusted proxy says.
func (p *permissions) proxied(r *http.Request) (string, bool) {
	if p.access.UserHeader == "" || !p.trusts(r) {
		return "", false
	}
	all := r.Header.Values(p.access.UserHeader)
	if len(all) != 1 { // two of them: one may be the browser's
		return "", false
	}
	name := strings.TrimSpace(all[0])
	return name, goodName(name) == nil
}

func (p *permissions) trusts(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	// An IPv4 proxy comes to a listener for both as ::ffff:10.0.0.1, and the prefix may be
	// written in either way.
	for _, net := range p.access.TrustedProxies {
		if net.Contains(at.Addr().Unmap()) || net.Contains(at.Addr()) {
			return true
		}
	}
	return false
}

func goodName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > userMost:
		return fmt.Errorf("the name is longer than %d bytes", userMost)
	case words.Visible(name) != name:
		return errors.New("the name has characters that cannot be shown")
	}
	return nil
}

// sign is a code that only this process can make.
func (p *permissions) sign(what ...string) string {
	m := hmac.New(sha256.New, p.secret[:])
	for _, w := range what { // with their lengths: "a", "bc" is not "ab", "c"
		fmt.Fprintf(m, "%d:%s", len(w), w)
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// A session is NAME.EXPIRY.TOKENHASH.NONCE.CODE, each without a dot.
func (p *permissions) newSession(name string, token [32]byte) string {
	enc := base64.RawURLEncoding
	body := strings.Join([]string{enc.EncodeToString([]byte(name)), strconv.FormatInt(time.Now().Add(sessionLasts).Unix(), 10), enc.EncodeToString(token[:]), rand.Text()}, ".")
	return body + "." + p.sign("session", body)
}

// people are those with a token. The operator is told once why they cannot be read, and
// not at each page until that is mended.
func (p *permissions) people() ([]person, error) {
	people, err := p.tokens.read()
	text := ""
	if err != nil {
		text = err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if text != "" && text != p.unread {
		p.s.opts.ErrorLog.Print("nobody can log in: ", text)
	}
	p.unread = text
	return people, err
}

// session is the name in a session, if it is one of ours, not too old, and its token
// still stands in the file.
func (p *permissions) session(value string) (string, bool) {
	i := strings.LastIndexByte(value, '.')
	if i < 0 || subtle.ConstantTimeCompare([]byte(value[i+1:]), []byte(p.sign("session", value[:i]))) != 1 {
		return "", false
	}
	f := strings.Split(value[:i], ".")
	name, err1 := base64.RawURLEncoding.DecodeString(f[0])
	expiry, err2 := strconv.ParseInt(f[1], 10, 64)
	token, err3 := base64.RawURLEncoding.DecodeString(f[2])
	if err1 != nil || err2 != nil || err3 != nil || time.Now().Unix() >= expiry {
		return "", false
	}
	people, err := p.people()
	if err != nil {
		return "", false
	}
	for _, q := range people {
		if q.name == string(name) && subtle.ConstantTimeCompare(q.hash[:], token) == 1 {
			return q.name, true
		}
	}
	return "", false
}

// csrf is what the forms of a person hold: another site cannot know it.
func (p *permissions) csrf(u user) string { return p.sign("csrf", u.session, u.name) }

// prepare gives a browser that a proxy speaks for a cookie, to which the tokens of its
// forms belong.
func (p *permissions) prepare(w http.ResponseWriter, r *http.Request) {
	if u, ok := p.user(r); ok && u.session == "" {
		c := p.cookie(r, rand.Text())
		http.SetCookie(w, c)
		r.AddCookie(c)
	}
}

func (p *permissions) cookie(r *http.Request, value string) *http.Cookie {
	secure := r.TLS != nil || p.trusts(r) && r.Header.Get("X-Forwarded-Proto") == "https"
	return &http.Cookie{Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: int(sessionLasts / time.Second)}
}

// frame fills what a page says of who looks at it.
func (p *permissions) frame(page *page, r *http.Request) {
	if p.access == nil {
		return
	}
	u, ok := p.user(r)
	if !ok {
		page.CanLogIn = p.tokens != nil
		return
	}
	page.User, page.CSRF, page.CanLogOut = u.name, p.csrf(u), u.cookie
	for _, n := range p.notesOf(u.name) {
		page.Notices = append(page.Notices, notice{n.at.In(p.s.zone).Format("15:04:05") + " " + n.text, n.bad})
	}
}

// knowsNobody reports whether a page is the same for all: it has nothing of a person.
func (p *permissions) knowsNobody(r *http.Request) bool {
	_, ok := p.user(r)
	return !ok
}

func (p *permissions) loginPage(w http.ResponseWriter, r *http.Request) {
	p.showLogin(w, r, http.StatusOK, "A token stands for a name, under which everything that you do is put on record.")
}

func (p *permissions) showLogin(w http.ResponseWriter, r *http.Request, status int, help string) {
	page := p.s.frame(nil, r, "Log in")
	page.LogInHelp = help
	body, err := render("login", page)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.s.write(w, r, status, body, "")
}

func (p *permissions) login(w http.ResponseWriter, r *http.Request) {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	// By address, and not by name: who guesses tokens gives no name. A proxy is one address for
	// all behind it.
	if err != nil {
		from = r.RemoteAddr
	}
	if !p.attempts.allow(from) {
		p.showLogin(w, r, http.StatusTooManyRequests, "Too many attempts: wait a minute.")
		return
	}
	people, err := p.people()
	if err != nil {
		p.showLogin(w, r, http.StatusServiceUnavailable, "The tokens of this server cannot be read; it tells its operator why.")
		return
	}
	token := sha256.Sum256([]byte(r.PostFormValue("token")))
	name := ""
	for _, q := range people { // all of them, whichever it is
		if subtle.ConstantTimeCompare(q.hash[:], token[:]) == 1 {
			name = q.name
		}
	}
	if name == "" {
		p.showLogin(w, r, http.StatusForbidden, "This token is unknown.")
		return
	}
	http.SetCookie(w, p.cookie(r, p.newSession(name, token)))
	seeOther(w, "./")
}

func (p *permissions) logout(w http.ResponseWriter, r *http.Request) {
	u, ok := p.user(r)
	if ok && !p.good(r, u) {
		p.s.message(w, r, http.StatusForbidden, "Refused", "This form is too old, or not from this server. Nothing was done.")
		return
	}
	c := p.cookie(r, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
	seeOther(w, "./")
}

// good reports whether a form is one that we gave to this person.
func (p *permissions) good(r *http.Request, u user) bool {
	return u.session != "" && subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(p.csrf(u))) == 1
}

// seeOther sends a browser to a page of this server. The address stays relative, since
// a proxy may serve us below a path that we do not know.
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// A note is what became of something that a person did here.
type note struct {
	at   time.Time
	text string
	bad  bool
}

const (
	notesMost  = 5 // of a person
	notesLast  = 10 * time.Minute
	notedUsers = 1000
)

func (p *permissions) note(name, text string, bad bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.notes) >= notedUsers && p.notes[name] == nil {
		clear(p.notes) // they are for the moment only
	}
	l := append([]note{{time.Now(), text, bad}}, p.notes[name]...)
	p.notes[name] = l[:min(len(l), notesMost)]
}

func (p *permissions) notesOf(name string) (l []note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.notes[name] {
		if time.Since(n.at) < notesLast {
			l = append(l, n)
		}
	}
	return l
}

// why is an error in words for a page.
func why(err error) string {
	return words.Cut(words.Visible(strings.ReplaceAll(cmp.Or(err.Error(), "unknown"), "lockcore: ", "")))
}
