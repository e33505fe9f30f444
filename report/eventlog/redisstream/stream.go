// Package redisstream keeps event logs in a capped stream of a Redis server, so
// that a report can be made over a whole fleet while it runs. [Open] starts a
// log there, or in a directory, whichever its target names; [Read] reads one.
//
// The stream has one entry an event, with the line in the field e. Redis removes
// the oldest when it is full.
package redisstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

const (
	defaultStream = "rtest:events"
	defaultMax    = 100_000 // entries; about 50 MB
	field         = "e"
	page          = 1000 // entries read at once
	// patience bounds each step of talking to Redis; nobody waits for it but the
	// end of a process, which has a bound of its own.
	patience = 2 * time.Second
)

// IsURL reports whether a target of events is a stream rather than a path.
func IsURL(target string) bool {
	scheme, _, ok := strings.Cut(target, "://")
	return ok && (scheme == "redis" || scheme == "rediss" || scheme == "unix")
}

// A target is a stream on a server.
type target struct {
	opts   *redis.Options
	stream string
	max    int64
}

// parse reads an address. Its errors do not quote it: it may hold a password.
func parse(address string) (*target, error) {
	const form = "want redis://[user:password@]host:port/db?stream=name&maxlen=100000"
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("redisstream: the address of events is no URL; " + form)
	}
	t := &target{stream: defaultStream, max: defaultMax}
	q := u.Query()
	if s := q.Get("stream"); s != "" {
		t.stream = s
	}
	if s := q.Get("maxlen"); s != "" {
		if t.max, err = strconv.ParseInt(s, 10, 64); err != nil || t.max < 1 {
			return nil, fmt.Errorf("redisstream: maxlen=%q is no number of entries above 0", s)
		}
	}
	q.Del("stream")
	q.Del("maxlen")
	u.RawQuery = q.Encode()
	t.opts, err = redis.ParseURL(u.String())
	if err != nil {
		// What it says may quote what it was given.
		return nil, fmt.Errorf("redisstream: the address of events on %s is wrong; %s, and what else go-redis knows", u.Host, form)
	}
	t.opts.DialTimeout, t.opts.ReadTimeout, t.opts.WriteTimeout = patience, patience, patience
	t.opts.DialerRetries = 1 // a dead server is found out with the next events again
	t.opts.Dialer = latedial.Wrap(redis.NewDialer(t.opts))
	return t, nil
}

// String says where the stream is.
func (t *target) String() string {
	return fmt.Sprintf("stream %q of redis at %s, database %d", t.stream, t.opts.Addr, t.opts.DB)
}

// Open starts an event log in target: a redis:// address, as the package doc
// says, with the parameters stream, its name, default rtest:events, and maxlen,
// the number of entries kept, default 100000; or else a directory, as
// [eventlog.Open] takes it. It does not wait for the server: what that does not
// take is dropped and counted.
func Open(_ context.Context, target string) (*eventlog.Writer, error) {
	if !IsURL(target) {
		return eventlog.Open(target)
	}
	t, err := parse(target)
	if err != nil {
		return nil, err
	}
	t.opts.MaxRetries = -1 // a reply that was lost would make events come twice
	return eventlog.NewWriter(&sink{t, redis.NewClient(t.opts)}, eventlog.Identity(environ.Getenv)), nil
}

// sink is an eventlog.Sink.
type sink struct {
	*target
	client *redis.Client
}

func (s *sink) Append(lines [][]byte) (int, error) {
	// The times above bound each step; this bounds them all.
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmds, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, l := range lines {
			p.XAdd(ctx, &redis.XAddArgs{Stream: s.stream, MaxLen: s.max, Approx: true, Values: []any{field, bytes.TrimSuffix(l, []byte("\n"))}})
		}
		return nil
	})
	if err == nil {
		return len(lines), nil
	}
	stored := 0
	for _, c := range cmds {
		if c.Err() == nil {
			stored++
		}
	}
	return stored, fmt.Errorf("redisstream: %s: %w", s.target, err)
}

func (s *sink) Close() error { return s.client.Close() }

// Read yields the events of the stream that address names in the order of time,
// and counts them in r. after is the identity of an entry to begin behind, as
// [Last] returns it; empty means the oldest.
func Read(ctx context.Context, address, after string, r *eventlog.Reader) iter.Seq2[eventlog.Event, error] {
	return func(yield func(eventlog.Event, error) bool) {
		t, err := parse(address)
		if err != nil {
			yield(eventlog.Event{}, err)
			return
		}
		client := redis.NewClient(t.opts)
		defer client.Close()
		p := &pages{ctx: ctx, client: client, target: t, next: "-"}
		if after != "" {
			p.next = "(" + after
		}
		r.Ordered(t.String(), p)(yield)
	}
}

// Last is the identity of the newest entry of the stream that address names,
// or "0-0", which is before every entry, if there is none.
func Last(ctx context.Context, address string) (string, error) {
	t, err := parse(address)
	if err != nil {
		return "", err
	}
	client := redis.NewClient(t.opts)
	defer client.Close()
	entries, err := client.XRevRangeN(ctx, t.stream, "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("redisstream: %s: %w", t, err)
	}
	if len(entries) == 0 {
		return "0-0", nil
	}
	return entries[0].ID, nil
}

// pages makes the entries one stream of lines, a page at a time.
type pages struct {
	ctx    context.Context
	client *redis.Client
	target *target
	next   string
	lines  bytes.Buffer
	end    bool
}

func (p *pages) Read(b []byte) (int, error) {
	for p.lines.Len() == 0 {
		if p.end {
			return 0, io.EOF
		}
		entries, err := p.client.XRangeN(p.ctx, p.target.stream, p.next, "+", page).Result()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.target, err)
		}
		p.end = len(entries) < page
		for _, e := range entries {
			p.next = "(" + e.ID
			line, _ := e.Values[field].(string) // what somebody else added has no such field
			p.lines.WriteString(line)
			p.lines.WriteByte('\n')
		}
	}
	return p.lines.Read(b)
}
