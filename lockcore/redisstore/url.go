package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
)

// Open returns a store on the server that the URL names:
//
//	redis://user:password@host:port/db     one server; rediss:// with TLS
//	unix:///path/of/socket?db=1            one server on this machine
//	redis+sentinel://h1,h2,h3/master       the server that Sentinel names; /master/db
//	redis+cluster://h1,h2,h3               a Redis Cluster
//
// rediss+sentinel:// and rediss+cluster:// are the last two with TLS. The query
// takes namespace, min_replicas, lock_delay, interop and policy, which overrule
// opts, and what go-redis reads from a URL: pool_size, read_timeout and so on. Sentinels
// that want a password get it by sentinel_username and sentinel_password.
//
// Open does not connect: a server that cannot be reached is an error of the
// first call, which takes some ten seconds at most. A password stands in no
// error. opts may be nil.
func Open(_ context.Context, rawURL string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	a, err := parseAddress(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	if err := a.ours(&o); err != nil {
		return nil, fmt.Errorf("redisstore: %s: %w", a, err)
	}
	client, err := a.client()
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the rest of its text is the URL, with the password
		}
		return nil, fmt.Errorf("redisstore: %s: %w", a, err)
	}
	s, err := newStore(client, &o, a.String())
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	s.owned = true
	return s, nil
}

// address is a store URL in parts. url.Parse does not read several hosts.
type address struct {
	scheme string // without the s of TLS
	tls    bool
	user   *url.Userinfo
	hosts  []string // host:port
	path   []string // or the path of the socket
	query  url.Values
}

const defaultPort, sentinelPort = "6379", "26379"

func parseAddress(raw string) (*address, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errors.New("the URL has no ://, want redis://host:port/db or one of its kind")
	}
	a := &address{scheme: strings.ToLower(scheme)}
	if s, found := strings.CutPrefix(a.scheme, "rediss"); found {
		a.scheme, a.tls = "redis"+s, true
	}
	switch a.scheme {
	case "redis", "unix", "redis+sentinel", "redis+cluster":
	default:
		return nil, fmt.Errorf("the scheme %q is not known: use redis, rediss, unix, redis+sentinel or redis+cluster", scheme)
	}
	rest, query, _ := strings.Cut(rest, "?")
	var err error
	if a.query, err = url.ParseQuery(query); err != nil {
		return nil, fmt.Errorf("%s://…: the part after ? cannot be read: %v", scheme, err)
	}
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Contains(path, "@") {
		// What stands before the @ may be a password, so it is not repeated.
		return nil, fmt.Errorf("%s://…: there is an @ after a /: in a user or password, write / as %%2F and ? as %%3F", scheme)
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		if a.user, err = userinfo(authority[:i]); err != nil {
			return nil, fmt.Errorf("%s://…@…: %w", scheme, err)
		}
		authority = authority[i+1:]
	}
	if err := a.locate(authority, path); err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	return a, nil
}

func userinfo(s string) (*url.Userinfo, error) {
	name, password, has := strings.Cut(s, ":")
	name, err1 := url.PathUnescape(name)
	password, err2 := url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return nil, errors.New("a % in a user or password is written %25")
	}
	if !has {
		return url.User(name), nil
	}
	return url.UserPassword(name, password), nil
}

// locate reads the hosts and the path.
func (a *address) locate(hosts, path string) error {
	if a.scheme == "unix" {
		if hosts != "" || path == "" {
			return errors.New("a socket is named by its full path, with three slashes: unix:///run/redis.sock")
		}
		socket, err := url.PathUnescape("/" + path)
		a.path = []string{socket}
		return err
	}
	a.path = strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	port := defaultPort
	if a.scheme == "redis+sentinel" {
		port = sentinelPort
	}
	for h := range strings.SplitSeq(hosts, ",") {
		hp, err := hostPort(strings.TrimSpace(h), port)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, hp)
	}
	switch {
	case a.scheme == "redis" && len(a.hosts) > 1:
		return fmt.Errorf("it names %d hosts: use redis+sentinel:// or redis+cluster://, or redlock:// for independent ones", len(a.hosts))
	case a.scheme == "redis" && len(a.path) > 1, a.scheme == "redis+sentinel" && len(a.path) > 2:
		return errors.New("there is too much after the last /: want the number of a database")
	case a.scheme == "redis+sentinel" && len(a.path) == 0:
		return errors.New("the name of the master is missing, as in redis+sentinel://h1,h2/mymaster")
	case a.scheme == "redis+cluster" && len(a.path) > 0 && a.path[0] != "0":
		return errors.New("a Cluster has no databases but 0")
	}
	return nil
}

func hostPort(s, port string) (string, error) {
	u, err := url.Parse("redis://" + s)
	if err != nil || u.User != nil || u.Path != "" {
		return "", fmt.Errorf("host %q cannot be read, want host or host:port", s)
	}
	host := u.Hostname()
	if host == "" {
		host = "localhost"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(host, port), nil
}

// String is the URL without user, password and parameters.
func (a *address) String() string {
	if a.scheme == "unix" {
		return "unix://" + strings.Join(a.path, "/")
	}
	s := a.scheme
	if a.tls {
		s = "rediss" + strings.TrimPrefix(s, "redis")
	}
	s += "://" + strings.Join(a.hosts, ",")
	if len(a.path) > 0 {
		s += "/" + strings.Join(a.path, "/")
	}
	return s
}

// ourParameters are those of the store; the others go to go-redis.
var ourParameters = []string{"namespace", "min_replicas", "lock_delay", "interop", "policy"}

// take removes a parameter from the query and returns its last value.
func (a *address) take(name string) (string, bool) {
	v, ok := a.query[name]
	delete(a.query, name)
	if !ok {
		return "", false
	}
	return v[len(v)-1], true
}

// ours reads the parameters of the store.
func (a *address) ours(o *Options) error {
	if v, ok := a.take("namespace"); ok {
		o.Namespace = v
	}
	if v, ok := a.take("interop"); ok {
		o.Interop = v
	}
	if v, ok := a.take("min_replicas"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("min_replicas=%s: want a number of replicas, such as 1", v)
		}
		o.MinReplicas = n
	}
	if v, ok := a.take("lock_delay"); ok {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("lock_delay=%s: want a duration, such as 10s", v)
		}
		o.LockDelay = d
	}
	if v, ok := a.take("policy"); ok {
		if err := o.Policy.UnmarshalText([]byte(v)); err != nil {
			return err
		}
	}
	return a.unknown()
}

// parameters lists what go-redis reads for each kind of client. What would make
// it read from replicas is left out: they know too little.
var parameters = func() map[string][]string {
	all := strings.Fields("client_name conn_max_idle_time conn_max_lifetime conn_max_lifetime_jitter dial_timeout max_active_conns " +
		"max_concurrent_dials max_idle_conns max_retries max_retry_backoff min_idle_conns min_retry_backoff pipeline_pool_size " +
		"pipeline_read_buffer_size pipeline_write_buffer_size pool_fifo pool_size pool_timeout protocol read_timeout write_timeout")
	with := func(more ...string) []string { return append(slices.Clone(all), more...) }
	one := with("db", "idle_timeout", "max_conn_age")
	return map[string][]string{
		"redis": one, "unix": one,
		"redis+sentinel": with("db", "dialer_retries", "dialer_retry_timeout", "sentinel_password", "sentinel_username"),
		"redis+cluster":  with("dialer_retries", "dialer_retry_timeout", "max_redirects"),
	}
}()

// unknown reports a parameter that nobody reads.
func (a *address) unknown() error {
	known := slices.Concat(ourParameters, parameters[a.scheme])
	if a.tls && a.scheme != "redis+cluster" {
		known = append(known, "skip_verify")
	}
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(a.query)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("the parameter %s is not known; known are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// client makes the client that the address asks for.
func (a *address) client() (redis.UniversalClient, error) {
	switch a.scheme {
	case "redis+sentinel":
		return a.failover()
	case "redis+cluster":
		o, err := redis.ParseClusterURL(a.forGoRedis(a.user))
		if err != nil {
			return nil, err
		}
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		o.Dialer = settle(&o.DisableIdentity, &o.ContextTimeoutEnabled, &o.DialTimeout, &o.ReadTimeout, &o.DialerRetries, o.TLSConfig)
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(a.forGoRedis(a.user))
	if err != nil {
		return nil, err
	}
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.Dialer = settle(&o.DisableIdentity, &o.ContextTimeoutEnabled, &o.DialTimeout, &o.ReadTimeout, &o.DialerRetries, o.TLSConfig)
	return redis.NewClient(o), nil
}

func (a *address) failover() (redis.UniversalClient, error) {
	user, _ := a.take("sentinel_username")
	password, _ := a.take("sentinel_password")
	o, err := redis.ParseFailoverURL(a.forGoRedis(nil))
	if err != nil {
		return nil, err
	}
	o.SentinelUsername, o.SentinelPassword = user, password
	if a.user != nil {
		o.Username = a.user.Username()
		o.Password, _ = a.user.Password()
	}
	quiet := settle(&o.DisableIdentity, &o.ContextTimeoutEnabled, &o.DialTimeout, &o.ReadTimeout, &o.DialerRetries, o.TLSConfig)
	find := newSentinels(o.MasterName, o.SentinelAddrs, usualDialer(o.DialTimeout, o.TLSConfig), func(addr string) *redis.SentinelClient {
		s := common(o)
		s.Addr, s.Dialer, s.DB = addr, quiet, 0
		s.Username, s.Password = o.SentinelUsername, o.SentinelPassword
		// Who does not answer is not asked again, but another Sentinel. The second attempt
		// is for a connection that the Sentinel has closed meanwhile.
		s.MaxRetries, s.MinRetryBackoff, s.MaxRetryBackoff, s.DialerRetries, s.MinIdleConns = 1, -1, -1, 1, 0
		s.ReadBufferSize, s.WriteBufferSize = 4096, 4096
		return redis.NewSentinelClient(s)
	})
	m := common(o)
	m.Addr, m.Dialer, m.OnConnect = o.MasterName, latedial.Wrap(find.dial), find.check
	client := redis.NewClient(m)
	client.AddHook(find)
	return &failoverClient{client, find}, nil
}

// common are the options that every client has: those that a URL sets have the same
// names.
func common(o *redis.FailoverOptions) *redis.Options {
	c := &redis.Options{MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}}
	from, to := reflect.ValueOf(o).Elem(), reflect.ValueOf(c).Elem()
	for field, value := range from.Fields() {
		if same := to.FieldByName(field.Name); same.IsValid() {
			same.Set(value)
		}
	}
	return c
}

// usualDialer dials as go-redis does. A server without TLS waits for the end of a
// command when the handshake begins, so that only the limit ends the attempt.
func usualDialer(timeout time.Duration, tls *tls.Config) latedial.Func {
	dial := redis.NewDialer(&redis.Options{DialTimeout: timeout, TLSConfig: tls})
	if tls == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		var op *net.OpError
		if errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &op) && op.Op == "dial") {
			err = fmt.Errorf("no TLS answer within %s: does the server speak TLS, or should the URL be redis:// instead of rediss://? (%w)", timeout, err)
		}
		return c, err
	}
}

// dialer leaves it to the caller of a command to say that a server cannot be
// reached.
func dialer(timeout time.Duration, tls *tls.Config) latedial.Func {
	return latedial.Wrap(usualDialer(timeout, tls))
}

// settle sets what every client has, and the limits that the URL does not set. A
// command is tried four times, so a server that swallows everything is given up after
// some ten seconds.
func settle(noIdentity, heedContexts *bool, dial, read *time.Duration, dials *int, tls *tls.Config) latedial.Func {
	*noIdentity, *heedContexts = true, true
	if *dial == 0 {
		*dial = 2 * time.Second
	}
	if *read == 0 {
		*read = 3 * time.Second
	}
	if *dials == 0 {
		*dials = 1
	}
	return dialer(*dial, tls)
}

// forGoRedis is the address as go-redis writes it: further hosts are parameters,
// and so is the name of the master.
func (a *address) forGoRedis(user *url.Userinfo) string {
	u := url.URL{Scheme: "redis", User: user}
	q := maps.Clone(a.query)
	if a.tls {
		u.Scheme = "rediss"
	}
	path := a.path
	switch a.scheme {
	case "unix":
		u.Scheme, u.Path = "unix", a.path[0]
		u.RawQuery = q.Encode()
		return u.String()
	case "redis+sentinel":
		q.Set("master_name", path[0])
		path = path[1:]
	case "redis+cluster":
		path = nil
	}
	u.Host = a.hosts[0]
	for _, h := range a.hosts[1:] {
		q.Add("addr", h)
	}
	u.Path = "/" + strings.Join(path, "/")
	u.RawQuery = q.Encode()
	return u.String()
}
