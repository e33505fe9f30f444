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
	// readLimit bounds one Read, whether a web server or a file system does not answer.
	readLimit = 10 * time.Second
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
	where    string        // the location without a password
	limit    time.Duration // readLimit, but in tests

	reading sync.Mutex // held while it is read: many who ask at once read once
	mu      sync.Mutex
	opening os.FileInfo // what the read under way opens or reads; nil: it has not found out yet
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
	s, _ := sources.LoadOrStore(location, &Source{location: location, where: redacted(location), limit: readLimit})
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
// says what is wrong. [Source.Problem] tells meanwhile.
//
// It returns at the end of ctx, and after ten seconds at the latest, also where the
// file is a pipe that nobody writes to, or is on a file system that does not answer.
func (s *Source) Read(ctx context.Context) (*Inventory, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("no answer within %s", s.limit))
	defer cancel()
	type outcome struct {
		v   *Inventory
		err error
	}
	done := make(chan outcome, 1)
	// Nothing ends the opening of a pipe or a call to a dead mount. The goroutine stays
	// there, and those of later calls wait for it without a thread of their own.
	go func() {
		done <- func() (o outcome) {
			s.reading.Lock()
			defer s.reading.Unlock()
			if ctx.Err() == nil {
				o.v, o.err = s.read(ctx)
			}
			return o
		}()
	}()
	select {
	case o := <-done:
		switch {
		case o.err != nil:
			return s.known(o.err)
		case o.v != nil:
			return o.v, nil
		}
	case <-ctx.Done():
	}
	return s.known(fmt.Errorf("reading the inventory %s: %w%s", s.where, context.Cause(ctx), s.stuck()))
}

// stuck continues the message about a read that did not end in time.
func (s *Source) stuck() string {
	if isURL(s.location) {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.opening == nil || s.opening.Mode().IsRegular():
		return ": the file system does not answer"
	case s.opening.Mode()&os.ModeNamedPipe != 0:
		return ": it is a pipe, and nobody has written an inventory into it and closed it; a file needs no writer"
	}
	return ": it is no regular file, and does not end; name a file"
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
			s.open(info)
			data, err = load(s.location)
			s.open(nil)
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

// open notes what is opened next, or nil when it was read.
func (s *Source) open(info os.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening = info
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
