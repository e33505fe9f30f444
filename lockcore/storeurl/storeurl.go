// Package storeurl opens the store that a URL names. It is the only package
// that knows all stores.
//
//	mem:                                  this process
//	file:                                 one user of this machine
//	file:///dir                           this machine, whoever may write to the directory
//	redis://  rediss://  unix://          a Redis or Valkey server
//	redis+sentinel://h1,h2/master         the server that Sentinel names
//	redis+cluster://h1,h2                 a Redis Cluster
//	redlock://h1,h2,h3                    a majority of independent servers
//
// An empty URL means "file:". Two accounts of one machine have two such stores:
// give them a directory for both. Pools that share a store are kept apart by a
// namespace: the query parameter "namespace", else the environment variable
// RTEST_NAMESPACE, else "default".
//
// # What it weighs
//
// All stores are linked, so that RTEST_URL alone decides which one is used: were a
// blank import needed for a server, every package with tests would have to be
// changed before its lab could have one. A test binary on Linux, amd64, Go 1.26,
// 2 cores, CPU time as the least of 80 starts and of 5 links:
//
//	                          size     start    link
//	no rtest                  4.4 MB   1.2 ms   0.4 s
//	rtest, file: and mem:     9.0 MB   2.5 ms   0.9 s
//	rtest, all stores        16.5 MB   3.2 ms   1.4 s
//
// The initialisation of this module's own packages is 0.3 ms of the start, and
// makes 35 KB of garbage; a test of rtest bounds the latter.
package storeurl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/filestore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/lockcore/quorumstore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// address is a store URL, taken apart as far as all schemes have it in common.
// What stands before the query is not parsed here: lists of hosts with ports are
// nothing that net/url understands.
type address struct {
	scheme    string // in lower case
	base      string // everything before the "?", the scheme included
	query     url.Values
	namespace string
}

// An opener makes the store of one scheme.
type opener func(ctx context.Context, a *address) (lockcore.Store, error)

var openers = map[string]opener{
	"mem":            openMem,
	"file":           openFile,
	"redis":          openRedis,
	"rediss":         openRedis,
	"unix":           openRedis,
	"redis+sentinel": openRedis, "rediss+sentinel": openRedis,
	"redis+cluster": openRedis, "rediss+cluster": openRedis,
	"redlock": openRedlock,
}

// shown are the schemes that errors list: those with TLS follow from the others.
const shown = "mem:, file:, redis://, rediss://, unix://, redis+sentinel://, redis+cluster://, redlock://"

// Open opens the store. ctx bounds the opening, not the store's life. A mistake
// in the URL is an error that begins with "storeurl: ", names it and says what is
// known; a password never stands in an error. Whether a server can be reached is
// found out by the first use, not here.
//
// White space around the URL is left out. An empty URL is an error if RTEST_URL is
// set but empty: Open(ctx, os.Getenv("RTEST_URL")) must not open the store of one
// user because a secret did not arrive.
func Open(ctx context.Context, rawURL string) (lockcore.Store, error) {
	rawURL, err := environ.Clean(rawURL)
	if err != nil {
		return nil, fmt.Errorf("storeurl: the store URL %w", err)
	}
	if rawURL == "" {
		if err := environ.Check("RTEST_URL"); err != nil {
			return nil, fmt.Errorf("storeurl: %w", err)
		}
		rawURL = "file:"
	}
	a, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	return openers[a.scheme](ctx, a)
}

// parse takes a URL apart. Its errors repeat nothing that may be a password.
func parse(rawURL string) (*address, error) {
	base, query, _ := strings.Cut(rawURL, "?")
	scheme, rest, ok := strings.Cut(base, ":")
	if !ok || strings.ContainsAny(scheme, "/@#\\~") {
		return nil, noScheme(rawURL)
	}
	a := &address{scheme: strings.ToLower(scheme)}
	a.base = a.scheme + ":" + rest
	if openers[a.scheme] == nil {
		return nil, unknownScheme(a.scheme, rest)
	}
	if a.scheme != "mem" && a.scheme != "file" && !strings.HasPrefix(rest, "//") {
		return nil, fmt.Errorf("storeurl: %s: must be followed by //, as in %s", a.scheme, examples[a.scheme])
	}
	if a.scheme != "mem" && a.scheme != "file" && strings.Contains(query, "@") {
		// Most likely the "?" belongs to a password, and then half of it is in the host.
		return nil, fmt.Errorf("storeurl: there is an @ after the ? of the %s: URL: in a user or password, write ? as %%3F and @ as %%40; in a parameter, @ as %%40", a.scheme)
	}
	var err error
	if a.query, err = url.ParseQuery(query); err != nil {
		return nil, fmt.Errorf("storeurl: the part after ? of the %s: URL cannot be read: %w", a.scheme, withoutText(err))
	}
	a.namespace, err = namespaceOf(a.query)
	return a, err
}

var examples = map[string]string{
	"redis": "redis://host:6379/0", "rediss": "rediss://host:6379/0", "unix": "unix:///run/redis.sock",
	"redis+sentinel": "redis+sentinel://host1,host2,host3/master", "rediss+sentinel": "rediss+sentinel://host1,host2,host3/master",
	"redis+cluster": "redis+cluster://host1,host2", "rediss+cluster": "rediss+cluster://host1,host2",
	"redlock": "redlock://host1,host2,host3",
}

// withoutText drops what an error of net/url quotes from the URL.
func withoutText(err error) error {
	var escape url.EscapeError
	switch {
	case errors.As(err, &escape):
		return errors.New("a % is not followed by two hexadecimal digits: write it as %25")
	case strings.Contains(err.Error(), "semicolon"):
		return errors.New("a ; does not separate parameters: use &")
	}
	return errors.New("it is not a list of name=value, separated by &")
}

// harmless is a part of a URL for a message: what stands before an @ may be a
// password, wherever it was put.
func harmless(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 {
		return "…" + s[i:]
	}
	return s
}

// noScheme words the error for a URL that does not say what it is.
func noScheme(rawURL string) error {
	hint := ""
	switch {
	case strings.HasPrefix(rawURL, "/"):
		hint = "; a directory is file://" + harmless(rawURL)
	case strings.HasPrefix(rawURL, "~"):
		hint = "; a directory is file:// and its full path, as in file:///home/me/locks"
	default:
		if scheme, _, ok := strings.Cut(rawURL, "//"); ok && openers[strings.ToLower(scheme)] != nil {
			hint = fmt.Sprintf("; there is a : missing after %q", scheme)
		}
	}
	return fmt.Errorf("storeurl: the store URL has no scheme: start it with one of %s%s", shown, hint)
}

// unknownScheme words the error for a scheme that no store has, with a guess at
// what was meant.
func unknownScheme(scheme, rest string) error {
	hint := ""
	port, _, _ := strings.Cut(rest, "/")
	switch _, err := strconv.ParseUint(port, 10, 16); {
	case err == nil:
		hint = fmt.Sprintf("; for the Redis server on that host, write redis://%s:%s", scheme, harmless(rest))
	case len(scheme) == 1 && strings.HasPrefix(rest, "\\"):
		hint = fmt.Sprintf("; a directory is file:///%s:%s", strings.ToUpper(scheme), harmless(strings.ReplaceAll(rest, "\\", "/")))
	default:
		if s := closest(scheme); s != "" {
			hint = fmt.Sprintf("; did you mean %s:?", s)
		}
	}
	return fmt.Errorf("storeurl: no store has the scheme %q; known are %s%s", scheme, shown, hint)
}

// aliases are what other programs call the same things.
var aliases = map[string]string{
	"memory": "mem", "inmemory": "mem", "dir": "file", "fs": "file", "valkey": "redis", "valkeys": "rediss", "redis+tls": "rediss", "redis+ssl": "rediss",
	"redis+unix": "unix", "redis+socket": "unix", "sentinel": "redis+sentinel", "redis-sentinel": "redis+sentinel", "cluster": "redis+cluster",
	"redis-cluster": "redis+cluster", "quorum": "redlock",
}

// closest is the scheme that a mistyped one is nearest to: one or two letters
// wrong, missing or too many, or an exchange of neighbours.
func closest(scheme string) string {
	if s, ok := aliases[scheme]; ok {
		return s
	}
	return environ.Nearest(scheme, slices.Collect(maps.Keys(openers)))
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
	if err := environ.Check("RTEST_NAMESPACE"); err != nil {
		return "", fmt.Errorf("storeurl: %w", err)
	}
	return cmp.Or(environ.Getenv("RTEST_NAMESPACE"), "default"), nil
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

// policy reads who may be served before somebody who came earlier.
func (p *params) policy() (policy lockcore.QueuePolicy) {
	p.known = append(p.known, "policy")
	if err := policy.UnmarshalText([]byte(p.q.Get("policy"))); err != nil && p.err == nil {
		p.err = fmt.Errorf("storeurl: %w", err)
	}
	return policy
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

func openMem(_ context.Context, a *address) (lockcore.Store, error) {
	p := params{scheme: a.scheme, q: a.query}
	opts := memstore.Options{LockDelay: p.duration("lock_delay"), Policy: p.policy()}
	if err := p.done(); err != nil {
		return nil, err
	}
	if strings.Trim(strings.TrimPrefix(a.base, "mem:"), "/") != "" {
		return nil, errors.New("storeurl: mem: takes no name; use ?namespace=NAME to keep pools apart")
	}
	s := memstore.Shared(a.namespace, &opts)
	if s.Policy() != opts.Policy {
		return nil, fmt.Errorf("storeurl: %s: this process uses it under policy=%s already, not policy=%s: use the same in all its URLs", s, s.Policy(), opts.Policy)
	}
	return s, nil
}

func openFile(ctx context.Context, a *address) (lockcore.Store, error) {
	p := params{scheme: a.scheme, q: a.query}
	opts := filestore.Options{Namespace: a.namespace, LockDelay: p.duration("lock_delay"), Policy: p.policy()}
	if err := p.done(); err != nil {
		return nil, err
	}
	dir, err := directory(strings.TrimPrefix(a.base, "file:"))
	if err != nil {
		return nil, err
	}
	s, err := filestore.Open(ctx, dir, &opts)
	if err != nil {
		return nil, err // and not a *Store that is nil in an interface that is not
	}
	return s, nil
}

// directory is the path in a file: URL, or empty for the directory of the user.
func directory(rest string) (string, error) {
	if rest == "" || rest == "//" {
		return "", nil
	}
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		host, local, _ := strings.Cut(after, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("storeurl: file://%s… names a host; a directory of this machine has three slashes: file:///%s", harmless(host), harmless(after))
		}
		path = "/" + local
	}
	if err := environ.Absolute(path); err != nil && !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("storeurl: the path of file:%s %w, as in file:///var/lib/rtest", harmless(rest), err)
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("storeurl: the path of file:%s cannot be read: a %% is written %%25", harmless(rest))
	}
	if strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("storeurl: the path of file:%s has a zero byte in it", harmless(rest))
	}
	dir := filepath.FromSlash(path)
	if v := strings.TrimPrefix(dir, string(filepath.Separator)); filepath.VolumeName(v) != "" {
		dir = v // file:///C:/locks
	}
	return dir, nil
}

// rest is the URL without its namespace.
func (a *address) rest() string {
	if len(a.query) == 0 {
		return a.base
	}
	return a.base + "?" + a.query.Encode()
}

func openRedis(ctx context.Context, a *address) (lockcore.Store, error) {
	s, err := redisstore.Open(ctx, a.rest(), &redisstore.Options{Namespace: a.namespace})
	if err != nil {
		return nil, fmt.Errorf("storeurl: %w", err)
	}
	return s, nil
}

func openRedlock(ctx context.Context, a *address) (lockcore.Store, error) {
	s, err := quorumstore.Open(ctx, a.rest(), a.namespace)
	if err != nil {
		return nil, fmt.Errorf("storeurl: %w", err)
	}
	return s, nil
}
