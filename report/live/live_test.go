package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// A lab is a store with its server.
type lab struct {
	t      *testing.T
	store  lockcore.Store
	server *Server
	locker *lockcore.Locker
}

func newLab(t *testing.T, o Options, items ...Item) *lab {
	t.Helper()
	return newLabOn(t, memstore.New(nil), o, items...)
}

func newLabOn(t *testing.T, store lockcore.Store, o Options, items ...Item) *lab {
	t.Helper()
	if len(items) > 0 {
		o.Items = func(context.Context) ([]Item, error) { return items, nil }
	}
	o.Zone = time.UTC
	s, err := New(store, o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return &lab{t, store, s, lockcore.New(store, nil)}
}

// hold takes keys for a test.
func (l *lab) hold(test string, keys ...string) *lockcore.Lease {
	l.t.Helper()
	lease, err := l.locker.Acquire(l.t.Context(), lockcore.Request{Requirements: each(keys...), Owner: lockcore.Owner{Test: test, Run: "run-1", URL: "https://ci.example.com/7"}, TTL: time.Hour})
	require.NoError(l.t, err)
	return lease
}

func each(keys ...string) (reqs []lockcore.Requirement) {
	for _, k := range keys {
		reqs = append(reqs, lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: k}}})
	}
	return reqs
}

// wait puts a request into the line.
func (l *lab) wait(id string, reqs ...lockcore.Requirement) {
	l.t.Helper()
	_, err := l.store.Ask(l.t.Context(), &lockcore.Ticket{ID: id, Requirements: reqs, Owner: lockcore.Owner{Test: "Test" + id, Run: "run-2"}, TTL: time.Hour, Wait: true}, func(*lockcore.Grant) {})
	require.NoError(l.t, err)
}

// get asks for a page.
func (l *lab) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "127.0.0.1:7070"
	l.server.ServeHTTP(w, r)
	return w
}

func (l *lab) page(path string) string {
	l.t.Helper()
	w := l.get(path)
	require.Equal(l.t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

// row is the row of a table.
func rowOf(page, key string) string {
	_, after, _ := strings.Cut(page, `<tr data-k="`+key+`"`)
	row, _, _ := strings.Cut(after, "</tr>")
	return row
}

func TestPageShowsEverything(t *testing.T) {
	l := newLab(t, Options{}, Item{Key: "board-1", Pool: "boards", Tags: map[string]string{"fw": "4"}}, Item{Key: "board-2", Pool: "boards"}, Item{Key: "board-3", Pool: "boards"},
		Item{Key: "board-4", Pool: "boards"}, Item{Key: "sim", Pool: "licences", Seats: 3})
	l.hold("TestBoot", "board-1", "other")
	_, err := l.locker.Reserve(t.Context(), lockcore.Request{Requirements: each("board-2"), For: 2 * time.Hour, Reason: "antenna swap", Owner: lockcore.Owner{User: "anna@lab"}})
	require.NoError(t, err)
	_, err = l.locker.Disable(t.Context(), lockcore.Outage{Keys: []string{"board-3"}, Reason: "PSU is dead", Owner: lockcore.Owner{User: "bob@lab"}})
	require.NoError(t, err)
	_, err = l.locker.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "sim"}}, Seats: 3, Need: 2}}, Expect: time.Hour, TTL: time.Hour, Owner: lockcore.Owner{Test: "TestSim"}})
	require.NoError(t, err)
	l.wait("A", each("board-1")...)
	l.wait("B", each("board-1", "sim")...)

	page := l.page("/")
	assert.Contains(t, page, "3 held, 1 reserved, 1 disabled, 1 free; 2 waiting.")
	row := rowOf(page, "board-1")
	for _, want := range []string{`class="held"`, "TestBoot", `href="https://ci.example.com/7"`, "boards", `<td class="n">2</td>`} {
		assert.Contains(t, row, want)
	}
	row = rowOf(page, "board-2")
	for _, want := range []string{`class="reserved"`, "anna@lab", "antenna swap", "in 2h00m"} {
		assert.Contains(t, row, want)
	}
	row = rowOf(page, "board-3")
	for _, want := range []string{`class="disabled"`, "bob@lab", "PSU is dead"} {
		assert.Contains(t, row, want)
	}
	assert.Contains(t, rowOf(page, "board-4"), `class="free"`)
	assert.Contains(t, rowOf(page, "sim"), "2 of 3 seats")
	assert.Contains(t, rowOf(page, "sim"), "expected, <time")
	assert.Contains(t, rowOf(page, "other"), "TestBoot")
	assert.Contains(t, rowOf(page, "A"), `<td class="n">1</td>`)
	assert.Contains(t, rowOf(page, "B"), `<td class="n">2</td>`)
	assert.Contains(t, page, "seen at ")
	assert.Contains(t, page, `<span id="asof">0s ago</span>`)

	assert.NotContains(t, l.page("/?q=BOARD-2"), `data-k="board-1"`)
	assert.Contains(t, l.page("/?q=fw%3D4"), `data-k="board-1"`)

	page = l.page("/resource?key=board-1")
	for _, want := range []string{"Held by TestBoot for ", "run?id=run-1", "fw=4", `data-k="A"`, `data-k="B"`, "fencing token"} {
		assert.Contains(t, page, want)
	}
	page = l.page("/request?id=B")
	for _, want := range []string{"At place 2 of 2 in line.", "board-1 is held by TestBoot"} {
		assert.Contains(t, page, want)
	}
	page = l.page("/run?id=run-1")
	assert.Contains(t, page, "1 lease, 0 waiting.")
	assert.Contains(t, l.page("/run?id=run-2"), "0 leases, 2 waiting.")
	assert.Contains(t, l.page("/resource?key=nothing"), "Neither the inventory nor the store knows of it")
	assert.Contains(t, l.page("/request?id=nothing"), "it has ended, or it never was")
	assert.Equal(t, http.StatusNotFound, l.get("/nothing").Code)
}

func TestSnapshotAPI(t *testing.T) {
	l := newLab(t, Options{}, Item{Key: "b1", Pool: "boards"}, Item{Key: "b2", Pool: "boards"})
	l.hold("TestBoot", "b1")
	l.wait("A", each("b1")...)
	w := l.get("/api/v1/snapshot")
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var a struct {
		AgeMS     *int64 `json:"age_ms"`
		Store     string
		Holders   []Holding
		Waiters   []Waiting
		Free      []Free
		Resources []struct {
			Key, State string
			Waiting    int
			Holders    []string
		}
		MostWanted []wanted `json:"most_wanted"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	require.NotNil(t, a.AgeMS)
	require.Len(t, a.Holders, 1)
	assert.Equal(t, "TestBoot", a.Holders[0].Owner.Test)
	assert.Equal(t, 1, a.Waiters[0].Place)
	assert.Equal(t, "b2", a.Free[0].Key)
	assert.Equal(t, "held", a.Resources[0].State)
	assert.Equal(t, []string{a.Holders[0].ID}, a.Resources[0].Holders)
	assert.Equal(t, "free", a.Resources[1].State)
	assert.Equal(t, 1, a.MostWanted[0].Waiting)
}

func TestMetrics(t *testing.T) {
	name := "red\x1b[31m \"quoted\" \\ \n"
	var items []Item
	for i := range 60 {
		items = append(items, Item{Key: fmt.Sprint("b", i), Pool: fmt.Sprint(name, i)})
	}
	l := newLab(t, Options{}, items...)
	l.hold("TestBoot", "b1")
	text := l.page("/metrics")
	reporttest.CheckOpenMetrics(t, text)
	for _, want := range []string{"rtest_store_up 1\n", `rtest_resources{state="held"} 1` + "\n", `rtest_resources{state="free"} 59` + "\n", "rtest_pools_omitted 10\n", "rtest_looks_total 1\n"} {
		assert.Contains(t, text, want)
	}
}

// An address of somebody else's may lead here: only names that nobody can give away
// are answered.
func TestHosts(t *testing.T) {
	l := newLab(t, Options{Hosts: []string{"lab.example.com"}})
	for host, want := range map[string]int{
		"127.0.0.1:7070": 200, "[::1]:7070": 200, "localhost": 200, "LOCALHOST:1": 200, "10.1.2.3": 200, "lab.example.com": 200, "Lab.Example.com:443": 200,
		"evil.example.com": 421, "": 421, "localhost.evil.example.com": 421, "127.0.0.1.evil.example.com": 421, "evil\nx": 421,
	} {
		for _, path := range []string{"/", "/api/v1/snapshot", "/metrics", "/healthz", "/style.css", "/nothing"} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			l.server.ServeHTTP(w, r)
			if path == "/nothing" && want == 200 {
				continue
			}
			assert.Equal(t, want, w.Code, "%s on %q", path, host)
		}
	}
}

func TestHeaders(t *testing.T) {
	l := newLab(t, Options{})
	for _, path := range []string{"/", "/nothing", "/api/v1/snapshot", "/style.css", "/live.js"} {
		h := l.get(path).Header()
		assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
	}
	for _, path := range []string{"/", "/resource?key=a", "/request?id=a", "/run?id=a"} {
		page := l.page(path)
		for _, no := range []string{"<style", "style=", "onclick", "<script>"} {
			assert.NotContains(t, page, no, path)
		}
	}
}

// Names are what somebody else chose.
func TestHostileNames(t *testing.T) {
	name := `"><script>alert(1)</script>'&` + "\x1b[31m\u202e\x00\xff\nend"
	l := newLab(t, Options{}, Item{Key: name, Pool: name, Tags: map[string]string{name: name}})
	lease, err := l.locker.Acquire(t.Context(), lockcore.Request{Requirements: each(name), TTL: time.Hour, Reason: name,
		Owner: lockcore.Owner{Test: name, Package: name, Host: name, Run: name, URL: "javascript:alert(1)//" + name, Site: name}})
	require.NoError(t, err)
	l.wait(name, lockcore.Requirement{Name: name, Candidates: []lockcore.Candidate{{Key: name}}})
	for _, path := range []string{"/", "/?q=" + escape(name), "/resource?key=" + escape(name), "/request?id=" + escape(name), "/request?id=" + lease.ID(), "/run?id=" + escape(name)} {
		page := l.page(path)
		assert.NotContains(t, page, "<script>alert", path)
		assert.NotContains(t, page, `href="javascript:`, path)
		assert.NotContains(t, page, "\u202e", path)
		assert.NotContains(t, page, "\x1b", path)
	}
	assert.Contains(t, l.page("/resource?key="+escape(name)), "Held by", "the key of a link leads to the resource")
	var v any
	require.NoError(t, json.Unmarshal(l.get("/api/v1/snapshot").Body.Bytes(), &v))
	reporttest.CheckOpenMetrics(t, l.page("/metrics"))
}

// An error of the store is told, with how old is what stands there.
func TestStoreThatGoesAway(t *testing.T) {
	store := &flaky{Store: memstore.New(nil)}
	l := newLabOn(t, store, Options{})
	l.hold("TestBoot", "b1")
	assert.Contains(t, l.page("/"), "TestBoot")
	store.err.Store(errors.New(`dial tcp 127.0.0.1:1: <refused>`))
	l.server.poll.soon()
	page := l.page("/")
	assert.Contains(t, page, "The store cannot be asked since ")
	assert.Contains(t, page, "&lt;refused&gt;")
	assert.Contains(t, page, "TestBoot", "what was seen before stays")
	assert.Contains(t, l.page("/metrics"), "rtest_store_up 0\n")
	assert.Contains(t, l.page("/healthz"), "the store cannot be asked")
	assert.Contains(t, l.page("/api/v1/snapshot"), `"error": "dial tcp`)

	l = newLabOn(t, store, Options{})
	w := l.get("/")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Contains(t, w.Body.String(), "&lt;refused&gt;")
	assert.Equal(t, http.StatusServiceUnavailable, l.get("/api/v1/snapshot").Code)
}

func TestInventoryThatIsWrong(t *testing.T) {
	l := newLab(t, Options{Items: func(context.Context) ([]Item, error) {
		return []Item{{Key: "b1", Pool: "boards"}}, errors.New("lab.yml:3: it is <wrong>")
	}})
	page := l.page("/")
	assert.Contains(t, page, "lab.yml:3: it is &lt;wrong&gt;")
	assert.Contains(t, page, `data-k="b1"`)
}

func escape(s string) string { return url.QueryEscape(s) }

// The page of a run shows so many leases, and counts all.
func TestRunWithManyLeases(t *testing.T) {
	l := newLab(t, Options{})
	for i := range lineMost + 5 {
		_, err := l.store.Ask(t.Context(), &lockcore.Ticket{ID: fmt.Sprint(i), Requirements: each(fmt.Sprint("b", i)), Owner: lockcore.Owner{Test: "TestMany", Run: "many"}, TTL: time.Hour}, nil)
		require.NoError(t, err)
	}
	page := l.page("/run?id=many")
	assert.Contains(t, page, "1005 leases, 0 waiting. The first 1000 leases are shown.")
}
