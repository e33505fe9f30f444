package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
)

// Open makes a store from redlock://[user:pass@]h1,h2,h3[,…][/db][?parameters],
// where a host is name, name:port or [address]:port. User, password, database
// and parameters hold for all of them. The parameters are node_timeout and
// lock_delay (see [Config]) and what go-redis reads from a URL, such as
// pool_size. An empty namespace means "default".
//
// It looks whether two of the names lead to one server, but does not wait for
// servers that are slow and does not fail because some are down: the first request
// says so. ctx bounds that look.
func Open(ctx context.Context, rawURL, namespace string) (*Store, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	clients := make([]redis.UniversalClient, len(u.servers))
	names := make([]string, len(u.servers))
	for i, opt := range u.servers {
		clients[i], names[i] = redis.NewClient(opt), opt.Addr
	}
	u.config.Namespace = namespace
	s := u.config.build(names, clients)
	s.owns = true
	if err := s.distinct(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// target is what a URL says.
type target struct {
	config  Config
	servers []*redis.Options
}

const (
	scheme      = "redlock://"
	defaultPort = "6379"
	minServers  = 3
)

// parse reads a URL. Several hosts with ports are no authority that net/url
// understands, so it is taken apart here; and nothing of the part with the
// password ever goes into an error.
func parse(rawURL string) (*target, error) {
	rest, ok := strings.CutPrefix(rawURL, scheme)
	if !ok {
		return nil, errors.New("quorumstore: the URL does not begin with " + scheme)
	}
	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(query, "@") {
		// It may be the rest of a password, so nothing of it is repeated.
		return nil, errors.New("quorumstore: there is an @ after a ? in the URL: write ? in a password as %3F, and @ in a parameter as %40")
	}
	hosts, db := rest, ""
	// A password may hold a slash, so the path begins after the last @.
	at := strings.LastIndex(rest, "@")
	if slash := strings.Index(rest[at+1:], "/"); slash >= 0 {
		hosts, db = rest[:at+1+slash], rest[at+1+slash+1:]
	}
	var user *url.Userinfo
	if at >= 0 {
		u, err := url.Parse("redis://" + strings.ReplaceAll(hosts[:at], "/", "%2F") + "@host")
		if err != nil {
			return nil, errors.New("quorumstore: cannot read user:password in the URL: write characters such as @ / ? # % in it as %40 %2F %3F %23 %25")
		}
		user, hosts = u.User, hosts[at+1:]
	}
	addrs, err := addresses(hosts)
	if err != nil {
		return nil, err
	}
	t, params, err := parameters(query)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		opt, err := options(addr, db, params)
		if err != nil {
			return nil, err
		}
		// The time limits of go-redis must not be shorter than those of this package.
		for name, limit := range map[string]*time.Duration{"dial_timeout": &opt.DialTimeout, "read_timeout": &opt.ReadTimeout, "write_timeout": &opt.WriteTimeout} {
			if !params.Has(name) && t.config.NodeTimeout > slowLimit {
				*limit = t.config.NodeTimeout
			}
		}
		if user != nil {
			opt.Username = user.Username()
			opt.Password, _ = user.Password()
		}
		t.servers = append(t.servers, opt)
	}
	return t, nil
}

// addresses reads the list of servers.
func addresses(list string) ([]string, error) {
	var addrs []string
	for h := range strings.SplitSeq(list, ",") {
		host, port, err := net.SplitHostPort(h)
		if err != nil {
			host, port = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"), defaultPort
		}
		if host == "" || port == "" || strings.ContainsAny(host, " \t") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return nil, fmt.Errorf("quorumstore: %q in the list of servers %q is no host or host:port", h, list)
		}
		addr := strings.ToLower(net.JoinHostPort(host, port))
		if slices.Contains(addrs, addr) {
			return nil, fmt.Errorf("quorumstore: server %s stands twice in the URL: it would have two votes", addr)
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) < minServers {
		return nil, fmt.Errorf("quorumstore: %d servers in %q: it takes at least %d independent ones to do without one; for a single server use redis://", len(addrs), list, minServers)
	}
	return addrs, nil
}

// clientParams are those that go-redis reads from a URL.
var clientParams = []string{
	"client_name", "conn_max_idle_time", "conn_max_lifetime", "conn_max_lifetime_jitter", "db", "dial_timeout", "max_active_conns",
	"max_concurrent_dials", "max_idle_conns", "max_retries", "max_retry_backoff", "min_idle_conns", "min_retry_backoff", "pool_fifo",
	"pool_size", "pool_timeout", "protocol", "read_timeout", "write_timeout",
}

// parameters reads those of this package, and returns the others for go-redis.
func parameters(query string) (*target, url.Values, error) {
	t := new(target)
	own := map[string]*time.Duration{"node_timeout": &t.config.NodeTimeout, "lock_delay": &t.config.LockDelay}
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, fmt.Errorf("quorumstore: cannot read the parameters %q of the URL: %w", query, err)
	}
	for name, values := range params {
		d, mine := own[name]
		switch {
		case mine:
			*d, err = time.ParseDuration(values[len(values)-1])
			if err != nil || *d < 0 || *d == 0 && name == "node_timeout" {
				return nil, nil, fmt.Errorf("quorumstore: %s=%q in the URL is no duration such as 500ms or 2s", name, values[len(values)-1])
			}
			delete(params, name)
		case !slices.Contains(clientParams, name):
			known := append([]string{"node_timeout", "lock_delay"}, clientParams...)
			slices.Sort(known)
			return nil, nil, fmt.Errorf("quorumstore: unknown parameter %q in the URL; known are %s", name, strings.Join(known, ", "))
		}
	}
	return t, params, nil
}

// options are those of one server.
func options(addr, db string, params url.Values) (*redis.Options, error) {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/" + db, RawQuery: params.Encode()}
	opt, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("quorumstore: in the URL, for %s: %w", addr, err)
	}
	opt.ContextTimeoutEnabled = true
	opt.DialerRetries = 1 // the vote does without a server rather than wait for it
	if !params.Has("max_retries") {
		opt.MaxRetries = 1 // for a connection that was idle while the server restarted
	}
	// Neither is of use here, and each costs a new connection a round trip.
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	opt.Dialer = latedial.Wrap(redis.NewDialer(opt))
	return opt, nil
}

// distinctLimit is how long one server may take over that look.
const distinctLimit = time.Second

// distinct looks whether two of the names lead to one server: its vote would count
// twice, and its loss too. A server may answer only when Open has returned; if it
// turns out to be the same as another then, requests fail from then on.
func (s *Store) distinct(ctx context.Context) error {
	seen := make(map[string]string) // run id -> name; guarded by s.mu
	note := func(i int, id string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		name := s.nodes[i].name
		if first, dup := seen[id]; dup && id != "" {
			s.duplicate = fmt.Errorf("quorumstore: %s and %s are the same server, and each may vote once: take one of them out of the URL", first, name)
		}
		seen[id] = name
	}
	b := newBallot(len(s.nodes), 0)
	g := gather(s, question[string]{
		to: s.everyone(), limit: distinctLimit,
		ask: func(ctx context.Context, n *node) (string, error) {
			text, err := n.client.Info(ctx, "server").Result()
			for line := range strings.Lines(text) {
				if id, ok := strings.CutPrefix(line, "run_id:"); ok {
					return strings.TrimSpace(id), err
				}
			}
			return "", err
		},
		take: func(i int, id string, err error) progress {
			b.replies[i] = yes
			if err != nil {
				b.replies[i] = down
			}
			note(i, id)
			if b.verdict(0) == won {
				return nearly
			}
			return open
		},
		late: func(i int, id string, _ error) { note(i, id) },
	})
	_ = g.wait(ctx) // if it is over, the first request finds out
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.duplicate
}
