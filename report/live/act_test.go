package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

const annaToken, bobToken = "anna-0123456789abcdef", "bob-0123456789abcdef"

// A browser keeps cookies and fills forms.
type browser struct {
	*lab
	cookies []*http.Cookie
	header  http.Header
	remote  string
}

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = "127.0.0.1:7070", "192.0.2.1:1234"
	if b.remote != "" {
		r.RemoteAddr = b.remote
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range b.header {
		r.Header[k] = v
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies = []*http.Cookie{c}
	}
	return w
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// submit fills the form of an action on the page of a resource.
func (b *browser) submit(action, key string, fields ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	page := b.do("GET", "/resource?key="+url.QueryEscape(key), nil).Body.String()
	_, after, found := strings.Cut(page, `action="`+action+`">`)
	require.True(b.t, found, "the page has no form for %s", action)
	form := url.Values{}
	text, _, _ := strings.Cut(after, "</form>")
	for _, m := range hidden.FindAllStringSubmatch(text, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	w := b.do("POST", "/"+action, form)
	require.Equal(b.t, http.StatusSeeOther, w.Code, w.Body.String())
	return w
}

func (b *browser) login(token string) *httptest.ResponseRecorder {
	return b.do("POST", "/login", url.Values{"token": {token}})
}

// A register keeps what was recorded.
type register struct {
	mu    sync.Mutex
	deeds []Deed
	err   error
	more  chan struct{}
}

func (r *register) record(_ context.Context, d Deed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deeds = append(r.deeds, d)
	if r.more != nil {
		r.more <- struct{}{}
	}
	return r.err
}

func (r *register) list() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l []string
	for _, d := range r.deeds {
		l = append(l, d.By+" "+d.Action+" "+strings.Join(d.Keys, " "))
	}
	return strings.Join(l, ", ")
}

func tokens(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(path, []byte("# people\nanna@lab "+annaToken+"\n\nBob B. "+bobToken+"\n"), 0o600))
	return path
}

func labWithPeople(t *testing.T) (*browser, *register) {
	t.Helper()
	r := &register{}
	return &browser{lab: newLab(t, Options{Access: &Access{TokenFile: tokens(t), Record: r.record}}, Item{Key: "b1", Pool: "boards"}, Item{Key: "b2", Pool: "boards"})}, r
}

func TestActions(t *testing.T) {
	b, record := labWithPeople(t)
	assert.NotContains(t, b.page("/resource?key=b1"), "<form method=\"post\"")
	assert.Contains(t, b.page("/resource?key=b1"), `href="login"`)
	require.Equal(t, http.StatusForbidden, b.login("wrong").Code)
	w := b.login(annaToken)
	require.Equal(t, http.StatusSeeOther, w.Code)
	c := w.Result().Cookies()[0]
	assert.True(t, c.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, c.SameSite)
	assert.NotContains(t, c.Value, annaToken)

	w = b.submit("reserve", "b1", "for", "2h", "reason", "antenna <swap>")
	assert.Equal(t, "resource?key=b1", w.Header().Get("Location"))
	page := b.do("GET", "/resource?key=b1", nil).Body.String()
	assert.Contains(t, page, "Reserved by anna@lab")
	assert.Contains(t, page, "antenna &lt;swap&gt;")
	assert.Contains(t, page, "Reserved b1 until ", "what was done is told")
	assert.NotContains(t, b.page("/resource?key=b1"), "Reserved b1 until ", "to nobody else")
	b.submit("extend", "b1", "for", "3h")

	bob := &browser{lab: b.lab}
	require.Equal(t, http.StatusSeeOther, bob.login(bobToken).Code)
	bob.submit("release", "b1")
	assert.Contains(t, bob.do("GET", "/resource?key=b1", nil).Body.String(), "tick the box to end it all the same")
	bob.submit("release", "b1", "force", "yes")
	assert.Contains(t, bob.do("GET", "/resource?key=b1", nil).Body.String(), "which anna@lab had reserved")

	b.submit("disable", "b2", "reason", "")
	assert.Contains(t, b.do("GET", "/resource?key=b2", nil).Body.String(), "say why")
	b.submit("disable", "b2", "reason", "smoke")
	assert.Contains(t, rowOf(b.page("/"), "b2"), `class="disabled"`)
	b.submit("enable", "b2")
	assert.Contains(t, rowOf(b.page("/"), "b2"), `class="free"`)

	assert.Equal(t, "anna@lab reserve b1, anna@lab extend b1, Bob B. release b1, anna@lab disable b2, anna@lab enable b2", record.list())
	record.err = errors.New("no space left")
	b.submit("disable", "b2", "reason", "smoke")
	assert.Contains(t, b.do("GET", "/", nil).Body.String(), "The event of this action was not written: no space left")
}

// What is told and recorded of an outage is what the store did: the second one is twice as
// long, and one that goes on stays as it is.
func TestDisableForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, record := labWithPeople(t)
		defer b.server.Close()
		defer b.store.Close()
		b.login(annaToken)
		bob := &browser{lab: b.lab}
		bob.login(bobToken)
		start := time.Now().UTC()
		told := func(b *browser) string {
			b.t.Helper()
			return b.do("GET", "/resource?key=b1", nil).Body.String()
		}
		end := func(want time.Duration) {
			t.Helper()
			d := record.deeds[len(record.deeds)-1]
			assert.Equal(t, start.Add(want), d.Until)
			assert.Contains(t, told(b), "Disabled b1 until "+start.Add(want).Format("2006-01-02 15:04:05"))
		}
		b.submit("disable", "b1", "reason", "smoke", "for", "1h")
		end(time.Hour)
		time.Sleep(time.Hour + time.Minute)
		b.submit("disable", "b1", "reason", "smoke", "for", "1h")
		end(3*time.Hour + time.Minute)
		record.deeds = nil
		form := url.Values{"csrf": {regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(told(bob))[1]}, "key": {"b1"}, "reason": {"again"}, "for": {"5h"}}
		require.Equal(t, http.StatusSeeOther, bob.do("POST", "/disable", form).Code)
		assert.Contains(t, told(bob), "b1 was disabled by anna@lab")
		assert.Contains(t, told(bob), "already, and stays so until "+start.Add(3*time.Hour+time.Minute).Format("2006-01-02 15:04:05"))
		assert.Empty(t, record.deeds)
	})
}

// Keys of one call may have several ends, and some stay as they were: then they may have
// been taken from a holder all the same.
func TestDisabledKeysOfSeveralEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, Options{})
		defer l.server.Close()
		defer l.store.Close()
		start := time.Now().UTC()
		disable := func(now bool, keys ...string) Disabled {
			t.Helper()
			d, err := Disable(t.Context(), l.locker, lockcore.Outage{Keys: keys, For: time.Hour, Now: now, Owner: lockcore.Owner{User: "bob"}})
			require.NoError(t, err)
			return d
		}
		disable(false, "a")
		time.Sleep(2 * time.Hour)
		l.hold("TestBoot", "c")
		disable(false, "c")
		d := disable(true, "a", "b", "c")
		assert.Equal(t, []string{"a", "b"}, d.Keys)
		require.Len(t, d.Left, 1)
		assert.Equal(t, []string{"c"}, d.Left[0].Keys())
		require.Len(t, d.Held, 1)
		assert.Equal(t, []Deed{
			{Action: "disable", Keys: []string{"b"}, By: "bob", Reason: "x", Until: start.Add(3 * time.Hour)},
			{Action: "disable", Keys: []string{"a"}, By: "bob", Reason: "x", Until: start.Add(4 * time.Hour)},
			{Action: "free", Keys: []string{"c"}, By: "bob", Reason: "x"},
		}, d.Deeds("bob", "x"))
	})
}

// Nobody who got a resource since the page was made loses it.
func TestFree(t *testing.T) {
	b, record := labWithPeople(t)
	b.login(annaToken)
	lease := b.hold("TestBoot", "b1", "b2")
	b.server.poll.soon()
	b.submit("free", "b1", "reason", "power")
	assert.Contains(t, b.do("GET", "/", nil).Body.String(), "nothing was freed")
	b.submit("free", "b1", "reason", "power", "force", "yes", "holder", "somebody else")
	assert.Contains(t, b.do("GET", "/", nil).Body.String(), "it was left alone")
	assert.Empty(t, record.list())
	b.submit("free", "b1", "reason", "power", "force", "yes")
	assert.Contains(t, b.do("GET", "/", nil).Body.String(), "Freed b1 from TestBoot")
	assert.Equal(t, "anna@lab free b1", record.list())
	err := lease.Release(t.Context())
	assert.ErrorIs(t, err, lockcore.ErrLost)
}

// A handing is a store in which something happens between a look and a Free.
type handing struct {
	lockcore.Store
	before func()
}

func (h *handing) Free(ctx context.Context, key, why string) ([]lockcore.Holder, error) {
	h.before()
	return h.Store.Free(ctx, key, why)
}

// A store frees by key, whoever has it. From whom it was taken instead is told, and put on
// record all the same.
func TestFreeOfWhatWasJustHandedOn(t *testing.T) {
	r := &register{}
	store := &handing{Store: memstore.New(nil)}
	b := &browser{lab: newLabOn(t, store, Options{Access: &Access{TokenFile: tokens(t), Record: r.record}}, Item{Key: "b1"})}
	b.login(annaToken)
	first := b.hold("TestBoot", "b1")
	store.before = func() {
		require.NoError(t, first.Release(t.Context()))
		b.hold("TestNext", "b1")
	}
	b.submit("free", "b1", "force", "yes")
	page := b.do("GET", "/", nil).Body.String()
	assert.Regexp(t, `class="notice bad"[^>]*>[0-9:]+ Freed b1 from TestNext[^<]*\. b1 had just been handed on: look after TestNext`, page)
	assert.Equal(t, "anna@lab free b1", r.list())
}

// Why nobody can log in is told to the operator, once until it can be read again.
func TestTokensThatCannotBeRead(t *testing.T) {
	var told bytes.Buffer
	path := tokens(t)
	b := &browser{lab: newLab(t, Options{ErrorLog: log.New(&told, "", 0), Access: &Access{TokenFile: path, Record: (&register{}).record}})}
	require.Equal(t, http.StatusSeeOther, b.login(annaToken).Code)
	require.NoError(t, os.Rename(path, path+"x"))
	for range 2 {
		w := b.login(annaToken)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Contains(t, w.Body.String(), "it tells its operator why")
		assert.NotContains(t, b.do("GET", "/", nil).Body.String(), "Log out")
	}
	assert.Equal(t, 1, strings.Count(told.String(), "nobody can log in: the token file: open "), told.String())
	require.NoError(t, os.Rename(path+"x", path))
	require.Equal(t, http.StatusSeeOther, b.login(annaToken).Code)
	require.NoError(t, os.Rename(path, path+"x"))
	require.Equal(t, http.StatusServiceUnavailable, b.login(annaToken).Code)
	assert.Equal(t, 2, strings.Count(told.String(), "nobody can log in"), told.String())
}

// Who may not stand in line is told whose requests are too many.
func TestTooManyInLine(t *testing.T) {
	p := pending{byID: map[string]*waitingFor{}}
	add := func(id int, by string) error { return p.add(t.Context(), fmt.Sprint(id), &waitingFor{by: by}) }
	for i := range waitsMostOne {
		require.NoError(t, add(i, "anna"))
	}
	assert.EqualError(t, add(waitsMost, "anna"), "5 of your reservations wait in line already: withdraw one")
	for i := waitsMostOne; i < waitsMost; i++ {
		require.NoError(t, add(i, fmt.Sprint("user ", i)))
	}
	assert.EqualError(t, add(waitsMost, "bob"), "100 reservations of all people wait in line here already: try again when some are served")
}

// A reservation that must wait stands in line while the server runs, can be withdrawn,
// and is recorded when it is served.
func TestReservationInLine(t *testing.T) {
	b, record := labWithPeople(t)
	record.more = make(chan struct{}, 10)
	b.login(annaToken)
	lease := b.hold("TestBoot", "b1")
	b.submit("reserve", "b1", "for", "1h")
	page := b.do("GET", "/resource?key=b1", nil).Body.String()
	assert.Contains(t, page, "Your request for b1 stands in line.")
	id := regexp.MustCompile(`request\?id=(\w+)">anna@lab`).FindStringSubmatch(page)
	require.NotNil(t, id)
	require.NoError(t, lease.Release(t.Context()))
	<-record.more
	assert.Equal(t, "anna@lab reserve b1", record.list())

	b.hold("TestBoot", "b2")
	b.submit("reserve", "b2", "for", "1h")
	page = b.do("GET", "/resource?key=b2", nil).Body.String()
	id = regexp.MustCompile(`request\?id=(\w+)">anna@lab`).FindStringSubmatch(page)
	require.NotNil(t, id)
	page = b.do("GET", "/request?id="+id[1], nil).Body.String()
	form := url.Values{}
	_, after, _ := strings.Cut(page, `action="withdraw">`)
	for _, m := range hidden.FindAllStringSubmatch(after, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	require.Equal(t, http.StatusSeeOther, b.do("POST", "/withdraw", form).Code)
	b.server.Close() // waits for what was withdrawn
	snap, err := b.store.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Empty(t, snap.Waiters)
}

func TestCloseWithdraws(t *testing.T) {
	b, _ := labWithPeople(t)
	b.login(annaToken)
	b.hold("TestBoot", "b1")
	b.submit("reserve", "b1", "for", "1h")
	snap, err := b.store.Snapshot(t.Context())
	require.NoError(t, err)
	require.Len(t, snap.Waiters, 1)
	b.server.Close()
	snap, err = b.store.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Empty(t, snap.Waiters)
}

// No action without right: no right, no token of the form, another site, no POST.
func TestNoActionWithoutRight(t *testing.T) {
	b, record := labWithPeople(t)
	form := url.Values{"key": {"b1"}, "for": {"1h"}, "reason": {"x"}, "force": {"yes"}}
	all := []string{"reserve", "extend", "release", "disable", "enable", "free", "withdraw"}
	try := func(b *browser, want int, form url.Values) {
		t.Helper()
		for _, action := range all {
			assert.Equal(t, want, b.do("POST", "/"+action, form).Code, action)
		}
	}
	try(b, http.StatusForbidden, form) // nobody
	forged := &browser{lab: b.lab, cookies: []*http.Cookie{{Name: sessionCookie, Value: "YW5uYUBsYWI.9999999999.AAAA.X.Y"}}}
	try(forged, http.StatusForbidden, form)
	spoofed := &browser{lab: b.lab, header: http.Header{"X-Forwarded-User": {"anna"}}}
	try(spoofed, http.StatusForbidden, form)

	require.Equal(t, http.StatusSeeOther, b.login(annaToken).Code)
	try(b, http.StatusForbidden, form) // no token of the form
	bob := &browser{lab: b.lab}
	bob.login(bobToken)
	page := bob.do("GET", "/resource?key=b1", nil).Body.String()
	form.Set("csrf", regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(page)[1])
	try(b, http.StatusForbidden, form) // that of somebody else

	page = b.do("GET", "/resource?key=b1", nil).Body.String()
	form.Set("csrf", regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(page)[1])
	foreign := &browser{lab: b.lab, cookies: b.cookies, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}}
	try(foreign, http.StatusForbidden, form)
	foreign.header = http.Header{"Origin": {"https://evil.example.com"}}
	try(foreign, http.StatusForbidden, form)
	plain := &browser{lab: b.lab, cookies: b.cookies, header: http.Header{"Content-Type": {"text/plain"}}}
	try(plain, http.StatusUnsupportedMediaType, form)
	for _, action := range all {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			code := b.do(method, "/"+action+"?"+form.Encode(), nil).Code
			assert.True(t, code == http.StatusNotFound || code == http.StatusMethodNotAllowed, "%s %s: %d", method, action, code)
		}
	}
	readOnly := &browser{lab: newLab(t, Options{})}
	for _, action := range append(all, "login", "logout") {
		code := readOnly.do("POST", "/"+action, form).Code
		assert.True(t, code == http.StatusNotFound || code == http.StatusMethodNotAllowed, "%s: %d", action, code)
	}
	assert.Empty(t, record.list())
	snap, err := b.store.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Empty(t, snap.Holders)
}

func TestBadForms(t *testing.T) {
	b, record := labWithPeople(t)
	b.login(annaToken)
	page := b.do("GET", "/resource?key=b1", nil).Body.String()
	csrf := regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(page)[1]
	for _, form := range []url.Values{{}, {"key": {"%"}}, {"key": {"b1"}, "for": {"soon"}}, {"key": {"b1"}, "for": {"-1h"}}, {"key": {"b1"}, "for": {"90000h"}}, {"key": {"b1"}, "reason": {strings.Repeat("x", 501)}}} {
		form.Set("csrf", csrf)
		assert.Equal(t, http.StatusBadRequest, b.do("POST", "/reserve", form).Code, "%v", form)
	}
	big := url.Values{"csrf": {csrf}, "key": {"b1"}, "reason": {strings.Repeat("x", bodyMost)}}
	assert.Equal(t, http.StatusBadRequest, b.do("POST", "/reserve", big).Code)
	assert.Empty(t, record.list())
}

// A key may be anything; a form changes line ends, and bytes that are no text.
func TestActionOnAnyKey(t *testing.T) {
	b, record := labWithPeople(t)
	b.login(annaToken)
	for _, key := range []string{"a b/c?d&e=f#g", "line\nend\r\n", "\xff\x00", `"quoted" <b>`, "../x", "ключ"} {
		w := b.submit("disable", key, "reason", "x")
		assert.Equal(t, "resource?key="+url.QueryEscape(key), w.Header().Get("Location"))
		record.mu.Lock()
		assert.Equal(t, key, record.deeds[len(record.deeds)-1].Keys[0])
		record.mu.Unlock()
	}
}

func TestRates(t *testing.T) {
	b, _ := labWithPeople(t)
	for range 9 {
		assert.Equal(t, http.StatusForbidden, b.login("wrong").Code)
	}
	require.Equal(t, http.StatusSeeOther, b.login(annaToken).Code)
	assert.Equal(t, http.StatusTooManyRequests, b.login(annaToken).Code)
	page := b.do("GET", "/resource?key=b1", nil).Body.String()
	form := url.Values{"csrf": {regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(page)[1]}, "key": {"b1"}}
	limited := false
	for range 40 {
		limited = limited || b.do("POST", "/enable", form).Code == http.StatusTooManyRequests
	}
	assert.True(t, limited)
	l := newLimiter(1)
	for i := range limitedMost {
		assert.True(t, l.allow(string(rune(i))+"x"))
	}
	assert.False(t, l.allow("one more"), "what it keeps is bounded")
}

// A header counts from a trusted proxy only.
func TestUserHeader(t *testing.T) {
	r := &register{}
	l := newLab(t, Options{Access: &Access{UserHeader: "X-Forwarded-User", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Record: r.record}}, Item{Key: "b1"})
	anna := &browser{lab: l, remote: "127.0.0.1:5", header: http.Header{"X-Forwarded-User": {"anna"}}}
	anna.submit("disable", "b1", "reason", "x")
	assert.Equal(t, "anna disable b1", r.list())
	for _, b := range []*browser{
		{lab: l, remote: "192.0.2.1:5", header: http.Header{"X-Forwarded-User": {"anna"}}},
		{lab: l, remote: "127.0.0.1:5", header: http.Header{"X-Forwarded-User": {"anna", "bob"}}},
		{lab: l, remote: "127.0.0.1:5", header: http.Header{"X-Forwarded-User": {""}}},
		{lab: l, remote: "127.0.0.1:5", header: http.Header{"X-Forwarded-User": {"an\x01na"}}},
		{lab: l, remote: "@", header: http.Header{"X-Forwarded-User": {"anna"}}},
	} {
		assert.NotContains(t, b.do("GET", "/resource?key=b1", nil).Body.String(), `<form method="post"`, "%v", b.header)
	}
}

func TestTokenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	record := (&register{}).record
	open := func(text string, mode os.FileMode) error {
		_ = os.Remove(path) // one that may not be written
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		_, err := New(memstore.New(nil), Options{Access: &Access{TokenFile: path, Record: record}})
		return err
	}
	assert.NoError(t, open("anna "+annaToken, 0o600))
	assert.NoError(t, open("anna "+annaToken, 0o400))
	if runtime.GOOS != "windows" {
		assert.ErrorContains(t, open("anna "+annaToken, 0o640), "can be read by others (its mode is 0640): chmod 600 it")
	}
	for text, want := range map[string]string{
		"": "has no token in it", "# nothing\n": "has no token in it", annaToken: "line 1: want a name, a space, and a token",
		"anna secret": "line 1: the token of anna has less than 16 characters", "anna " + annaToken + "\nbob " + annaToken: "line 2: the token of bob is that of line 1, too",
		"an\x1bna " + annaToken: "line 1: the name has characters",
	} {
		err := open(text, 0o600)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
	_, err := New(memstore.New(nil), Options{Access: &Access{TokenFile: path + "x", Record: record}})
	assert.ErrorIs(t, err, os.ErrNotExist)

	// Whose token goes from the file loses the right.
	require.NoError(t, open("anna "+annaToken, 0o600))
	b := &browser{lab: newLab(t, Options{Access: &Access{TokenFile: path, Record: record}})}
	require.Equal(t, http.StatusSeeOther, b.login(annaToken).Code)
	assert.Contains(t, b.do("GET", "/", nil).Body.String(), "Log out")
	require.NoError(t, os.WriteFile(path, []byte("bob "+bobToken), 0o600))
	assert.NotContains(t, b.do("GET", "/", nil).Body.String(), "Log out")
	for _, a := range []*Access{{}, {Record: record}, {Record: record, UserHeader: "X-User"}} {
		_, err := New(memstore.New(nil), Options{Access: a})
		assert.Error(t, err)
	}
}
