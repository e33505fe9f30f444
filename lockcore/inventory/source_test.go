package inventory

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func keys(t *testing.T, s *Source) string {
	t.Helper()
	v, err := s.Read(t.Context())
	require.NoError(t, err)
	p, err := v.Pool("boards")
	require.NoError(t, err)
	var l []string
	for _, i := range p.Items {
		l = append(l, i.Key)
	}
	return strings.Join(l, " ")
}

func boards(keys string) string { return "pools: {boards: {items: [" + keys + "]}}\n" }

// expire makes what was read last as old as d.
func (s *Source) expire(d time.Duration) {
	s.mu.Lock()
	s.at = s.at.Add(-d)
	s.mu.Unlock()
}

// A file on a bad day: what was read last stays good, but not for ever, and the
// reason can be asked for.
func TestFileOnABadDay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yml")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	s := At(path)
	assert.Same(t, s, At(path))
	_, err := s.Read(t.Context())
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, path)

	write(boards("b1, b2"))
	assert.Equal(t, "b1 b2", keys(t, s))
	write(boards("b1, b2, b3"))
	assert.Equal(t, "b1 b2 b3", keys(t, s))
	assert.NoError(t, s.Problem())
	write(boards("b2"))
	assert.Equal(t, "b2", keys(t, s))

	for text, problem := range map[string]string{
		"":                           path + " is empty",
		"<html></html>":              path + ":1: it is HTML",
		boards("b1, b1"):             path + `:1: key "b1" stands in pool "boards" twice`,
		"pools: {boards: {items: [b": "no YAML",
	} {
		write(text)
		assert.Equal(t, "b2", keys(t, s), text)
		assert.ErrorContains(t, s.Problem(), problem)
	}
	require.NoError(t, os.Remove(path))
	assert.Equal(t, "b2", keys(t, s))
	assert.ErrorIs(t, s.Problem(), os.ErrNotExist)
	s.expire(goodFor)
	_, err = s.Read(t.Context())
	assert.ErrorIs(t, err, os.ErrNotExist)

	write(boards("b4"))
	assert.Equal(t, "b4", keys(t, s))
	assert.NoError(t, s.Problem())
}

func TestWebServerOnABadDay(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	says := func(status int, text string) {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		})
		answer.Store(&h)
	}
	asked := make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		(*answer.Load())(w, r)
	}))
	defer server.Close()
	s := At(strings.Replace(server.URL, "http://", "http://user:hush@", 1) + "/lab.yml")
	assert.NotContains(t, s.String(), "hush")

	says(404, "<html>")
	_, err := s.Read(t.Context())
	assert.ErrorContains(t, err, "the server answers 404 Not Found")
	assert.NotContains(t, err.Error(), "hush")

	says(200, boards("b1"))
	assert.Equal(t, "b1", keys(t, s))
	// A hundred tests that start at once ask once; a little later, again.
	before := len(asked)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { _, _ = s.Read(context.Background()) })
	}
	all.Wait()
	assert.Equal(t, before, len(asked))
	says(200, boards("b1, b2"))
	s.expire(freshFor)
	assert.Equal(t, "b1 b2", keys(t, s))

	for status, text := range map[int]string{500: "oops", 404: "", 200: "<!DOCTYPE html><p>log in</p>"} {
		says(status, text)
		s.expire(freshFor)
		assert.Equal(t, "b1 b2", keys(t, s))
		assert.Error(t, s.Problem())
	}
	says(200, strings.Repeat("#", sizeMax+1))
	s.expire(freshFor)
	assert.Equal(t, "b1 b2", keys(t, s))
	assert.ErrorContains(t, s.Problem(), "larger than 8 MiB")

	// One that does not answer costs what the caller gives it, and no more.
	release := make(chan struct{})
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	answer.Store(&slow)
	defer close(release)
	s.expire(freshFor)
	why := errors.New("the wait is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	for len(asked) > 0 {
		<-asked
	}
	go func() { <-asked; cancel(why) }()
	v, err := s.Read(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"boards"}, v.Names())
	assert.ErrorIs(t, s.Problem(), why)
	s.expire(goodFor)
	_, err = s.Read(ctx)
	assert.ErrorIs(t, err, why)
}

func TestServerThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := At(server.URL).Read(t.Context())
	assert.ErrorContains(t, err, "reading the inventory "+server.URL+": dial tcp")
	_, err = At("http://a b/").Read(t.Context())
	assert.ErrorContains(t, err, "reading the inventory the URL of the inventory: it is no URL")
}
