// Package storeurl opens the store that a URL names. It is the only package
// that knows all stores.
//
//	mem:                                  this process
//	file:   file:///dir                   this machine
//	redis://  rediss://  unix://          a Redis or Valkey server
//	redis+sentinel://h1,h2/master         the server that Sentinel names
//	redis+cluster://h1,h2                 a Redis Cluster
//	redlock://h1,h2,h3                    a majority of independent servers
//
// An empty URL means "file:". Pools that share a store are kept apart by a
// namespace: the query parameter "namespace", else the environment variable
// RTEST_NAMESPACE, else "default".
package storeurl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/filestore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// An opener makes the store of one scheme. The URL has no namespace parameter
// any more.
type opener func(ctx context.Context, u *url.URL, namespace string) (lockcore.Store, error)

var openers = map[string]opener{
	"mem":  openMem,
	"file": openFile,
}

// Open opens the store. ctx bounds the opening, not the store's life. A mistake
// in the URL is an error that names it and what is known; a password never
// stands in an error. Whether a server can be reached is found out by the first
// use, not here.
func Open(ctx context.Context, rawURL string) (lockcore.Store, error) {
	if rawURL == "" {
		rawURL = "file:"
	}
	u, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	open := openers[u.Scheme]
	if open == nil {
		return nil, unknownScheme(u.Scheme)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("storeurl: the query of the %s: URL cannot be read: %v", u.Scheme, err)
	}
	namespace, err := namespaceOf(q)
	if err != nil {
		return nil, err
	}
	u.RawQuery = q.Encode()
	return open(ctx, u, namespace)
}

// parse is url.Parse with errors that do not repeat the URL, and with it a
// password.
func parse(rawURL string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok || strings.ContainsAny(scheme, "/@?#") {
		return nil, fmt.Errorf("storeurl: the store URL has no scheme: start it with one of %s", schemes())
	}
	scheme = strings.ToLower(scheme)
	if openers[scheme] == nil {
		return nil, unknownScheme(scheme)
	}
	if scheme != "mem" && scheme != "file" && !strings.HasPrefix(rest, "//") {
		return nil, fmt.Errorf("storeurl: %s: must be followed by //, as in %s://host", scheme, scheme)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) && !strings.Contains(ue.Err.Error(), "@") {
			err = ue.Err // its own text is without the URL
		} else {
			err = errors.New("it is not a URL")
		}
		if strings.Contains(rest, "@") {
			err = errors.New("it is not a URL; special characters of a password are written as %40 and the like")
		}
		return nil, fmt.Errorf("storeurl: the %s: URL cannot be read: %w", scheme, err)
	}
	return u, nil
}

func schemes() string {
	var known []string
	for s := range openers {
		known = append(known, s+":")
	}
	slices.Sort(known)
	return strings.Join(known, ", ")
}

func unknownScheme(scheme string) error {
	return fmt.Errorf("storeurl: no store has the scheme %q; known are %s", scheme, schemes())
}

// namespaceOf takes the namespace out of the parameters.
func namespaceOf(q url.Values) (string, error) {
	if v, ok := q["namespace"]; ok {
		q.Del("namespace")
		if len(v) != 1 || v[0] == "" {
			return "", fmt.Errorf("storeurl: the parameter namespace takes one value that is not empty, not %q", v)
		}
		return v[0], nil
	}
	if v := os.Getenv("RTEST_NAMESPACE"); v != "" {
		return v, nil
	}
	return "default", nil
}

// params reads the query parameters that a scheme knows.
type params struct {
	scheme string
	q      url.Values
	known  []string
	err    error
}

func (p *params) duration(name string) time.Duration {
	p.known = append(p.known, name)
	v := p.q.Get(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if (err != nil || d < 0) && p.err == nil {
		p.err = fmt.Errorf("storeurl: the parameter %s is %q; it takes a duration such as 30s", name, v)
	}
	return d
}

// done reports the first bad value, or the first parameter that nobody read.
func (p *params) done() error {
	if p.err != nil {
		return p.err
	}
	known := append(p.known, "namespace")
	slices.Sort(known)
	var unknown []string
	for name := range p.q {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("storeurl: %s: does not know the parameter %q; it knows %s", p.scheme, unknown[0], strings.Join(known, ", "))
}

func openMem(_ context.Context, u *url.URL, namespace string) (lockcore.Store, error) {
	p := params{scheme: u.Scheme, q: u.Query()}
	opts := memstore.Options{LockDelay: p.duration("lock_delay")}
	if err := p.done(); err != nil {
		return nil, err
	}
	if u.Opaque != "" || u.Host != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("storeurl: mem: takes no name; use ?namespace=NAME to keep pools apart")
	}
	return memstore.Shared(namespace, &opts), nil
}

func openFile(ctx context.Context, u *url.URL, namespace string) (lockcore.Store, error) {
	p := params{scheme: u.Scheme, q: u.Query()}
	opts := filestore.Options{Namespace: namespace, LockDelay: p.duration("lock_delay")}
	if err := p.done(); err != nil {
		return nil, err
	}
	switch {
	case u.Host != "" && u.Host != "localhost":
		return nil, fmt.Errorf("storeurl: file://%s… names a host; a directory of this machine has three slashes: file:///%s%s", u.Host, u.Host, u.Path)
	case u.Opaque != "":
		return nil, fmt.Errorf("storeurl: file:%s is relative, and every package of go test runs in its own directory: use an absolute path, as in file:///tmp/locks", u.Opaque)
	}
	dir := u.Path
	if dir != "" {
		dir = filepath.FromSlash(dir)
		if v := strings.TrimPrefix(dir, string(filepath.Separator)); filepath.VolumeName(v) != "" {
			dir = v // file:///C:/locks
		}
	}
	return filestore.Open(ctx, dir, &opts)
}
