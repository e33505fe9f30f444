package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// fetchTimeout bounds one answer of a web server.
	fetchTimeout = 10 * time.Second
	// freshFor is how long an answer of a web server is taken for true, so that a
	// hundred tests that start at once ask it once.
	freshFor = 2 * time.Second
	// goodFor is how long what was read last stays good while the inventory cannot
	// be read, or is wrong.
	goodFor = 5 * time.Minute
)

// A Source is where an inventory is: a file, or an http or https URL. It is safe
// for concurrent use.
type Source struct {
	location string
	where    string // the location without a password

	reading sync.Mutex // held while it is read: many who ask at once read once
	mu      sync.Mutex
	last    *Inventory
	at      time.Time   // when last was found to be true
	file    os.FileInfo // last was read from it as it was then
	problem error       // why last is not what is there now
}

// sources are shared by all users in this process of one location.
var sources sync.Map

// At returns the source at a location: the same one at every call, so that all readers
// share what it keeps.
func At(location string) *Source {
	s, _ := sources.LoadOrStore(location, &Source{location: location, where: redacted(location)})
	return s.(*Source)
}

func isURL(location string) bool {
	low := strings.ToLower(location)
	return strings.HasPrefix(low, "http://") || strings.HasPrefix(low, "https://")
}

// redacted is a location as it may be told.
func redacted(location string) string {
	if !isURL(location) {
		return location
	}
	u, err := url.Parse(location)
	if err != nil {
		return "the URL of the inventory"
	}
	return u.Redacted()
}

// String says where the source is, without a password.
func (s *Source) String() string { return s.where }

// Read returns what the inventory lists now. A file that did not change is not
// read again, and a web server is asked every two seconds at most.
//
// When the inventory cannot be read, or is wrong, what was read last stays good
// for five minutes: somebody writes a file anew, or a server starts again, and
// that must end no test. Beyond them, and where nothing was read before, the error
// says what is wrong. [Source.Problem] tells meanwhile. It returns within ten
// seconds of the end of ctx: somebody else may be reading.
func (s *Source) Read(ctx context.Context) (*Inventory, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	v, err := s.read(ctx)
	if err != nil {
		return s.known(err)
	}
	return v, nil
}

// known is what was read last, if it is still good, else the error.
func (s *Source) known(err error) (*Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = err
	if s.last != nil && time.Since(s.at) < goodFor {
		return s.last, nil
	}
	return nil, err
}

// Problem is why the last Read returned what an earlier one had found, or nil.
func (s *Source) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *Source) read(ctx context.Context) (*Inventory, error) {
	var data []byte
	var info os.FileInfo
	var err error
	if isURL(s.location) {
		s.mu.Lock()
		last, fresh := s.last, s.problem == nil && time.Since(s.at) < freshFor
		s.mu.Unlock()
		if last != nil && fresh {
			return last, nil
		}
		data, err = fetch(ctx, s.location, s.where)
	} else {
		info, err = os.Stat(s.location)
		s.mu.Lock()
		last, was := s.last, s.file
		s.mu.Unlock()
		if err == nil && last != nil && was != nil && os.SameFile(was, info) && was.Size() == info.Size() && was.ModTime().Equal(info.ModTime()) {
			return s.keep(last, info), nil
		}
		if err == nil {
			data, err = load(s.location)
		}
		if err != nil {
			err = fmt.Errorf("reading the inventory: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	v, err := Parse(s.where, data)
	if err != nil {
		return nil, err
	}
	return s.keep(v, info), nil
}

func (s *Source) keep(v *Inventory, info os.FileInfo) *Inventory {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.file, s.at, s.problem = v, info, time.Now(), nil
	return v
}

// load reads a file up to the bound, also one that never ends.
func load(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sizeMax+1))
}

// client keeps no connections: a test binary that looks for leaked goroutines
// would find them.
var client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}

// fetch asks a web server.
func fetch(ctx context.Context, location, where string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("no answer within %s", fetchTimeout))
	defer cancel()
	fail := func(err error) error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the rest is the method and the location again
		}
		return fmt.Errorf("reading the inventory %s: %w", where, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, fail(errors.New("it is no URL"))
	}
	req.Header.Set("Accept", "application/yaml, application/json;q=0.9, text/plain;q=0.8, */*;q=0.1")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fail(fmt.Errorf("the server answers %s", resp.Status))
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, sizeMax+1))
	if err != nil {
		return nil, fail(err)
	}
	return data, nil
}
