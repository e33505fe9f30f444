package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// Options configure a [Store]. The zero value and nil are ready to use.
type Options struct {
	// Namespace keeps pools that share a server apart. Empty means "default".
	Namespace string
	// MinReplicas, when above 0, is how many replicas must have a grant or a
	// renewal before it counts. Too few are an error, and what was granted is
	// given back: a fail-over then loses no lease, at the cost of a round trip
	// between server and replica.
	MinReplicas int
	// LockDelay keeps the keys of a lease that expired (not: was released) aside
	// for this long before somebody else gets them. Default 0.
	LockDelay time.Duration
	// Interop names a program to share locks with: "python" for resource_locker
	// 1.0, whose locks are the keys "lock:" and the name of the resource. Empty
	// means none. Not in a Cluster, where such keys lie elsewhere.
	Interop string
	// Policy says who may be served before somebody who came earlier. All clients of
	// a namespace use the same: [Store.Ask] refuses one that differs while anybody
	// holds or waits.
	Policy lockcore.QueuePolicy
}

// A Store is a [lockcore.Store] in Redis or Valkey. Make one with [Open] or
// [New]. It is safe for concurrent use; a process needs one for each namespace.
type Store struct {
	client  redis.UniversalClient
	owned   bool // the client is closed with the store
	where   string
	opts    Options
	base    string   // what every key begins with
	keys    []string // of every script
	scripts scripts
	hub     *hub
	long    longLists

	generations generations

	closing sync.Once
}

var _ lockcore.Store = (*Store)(nil)

// New returns a store on a client that the caller already has, and keeps: Close
// leaves it open. Its ContextTimeoutEnabled should be set, else a server that
// does not answer holds up a call beyond the end of its context. opts may be
// nil. An error means that the options do not fit together.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("redisstore: New was given no client: it is nil")
	}
	return newStore(client, opts, whereIs(client))
}

func newStore(client redis.UniversalClient, opts *Options, where string) (*Store, error) {
	s := &Store{client: client}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Namespace == "" {
		s.opts.Namespace = "default"
	}
	_, cluster := client.(*redis.ClusterClient)
	_, ring := client.(*redis.Ring)
	switch {
	case s.opts.Interop != "" && s.opts.Interop != "python":
		return nil, fmt.Errorf("redisstore: interop is %q, the only program known is python", s.opts.Interop)
	case s.opts.Interop != "" && cluster:
		return nil, errors.New("redisstore: interop=python does not work in a Cluster: its locks lie on other servers than ours. Use one server, or Sentinel")
	case ring:
		return nil, errors.New("redisstore: a Ring spreads keys over servers that know nothing of each other. Use one server, Sentinel or Cluster")
	case s.opts.MinReplicas < 0:
		return nil, fmt.Errorf("redisstore: min_replicas is %d, it must be at least 0", s.opts.MinReplicas)
	case s.opts.Policy != lockcore.Backfill && s.opts.Policy != lockcore.FIFO:
		return nil, fmt.Errorf("redisstore: the policy is %s, it must be backfill or fifo", s.opts.Policy)
	case s.opts.LockDelay < 0:
		return nil, fmt.Errorf("redisstore: lock_delay is %s, it must be at least 0", s.opts.LockDelay)
	}
	s.where = fmt.Sprintf("%s (namespace %s)", where, s.opts.Namespace)
	s.base = "{rtest:" + tag(s.opts.Namespace) + "}:"
	s.keys = []string{s.base + "all", s.base + "due"}
	s.scripts = plain()
	if s.opts.Interop != "" {
		s.scripts = withInterop()
	}
	s.hub = newHub(client, escape(s.base)+"c:"+rand.Text()) // a word of a record
	return s, nil
}

// tag escapes what would end a hash tag early, so that no two namespaces share
// a key.
func tag(namespace string) string {
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(namespace)
}

// whereIs describes a client that was made elsewhere.
func whereIs(client redis.UniversalClient) string {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		if o.Addr == "FailoverClient" {
			return "redis behind sentinel"
		}
		if o.Network == "unix" {
			return fmt.Sprintf("unix://%s?db=%d", o.Addr, o.DB)
		}
		return fmt.Sprintf("redis://%s/%d", o.Addr, o.DB)
	case *redis.ClusterClient:
		return "redis+cluster://" + strings.Join(c.Options().Addrs, ",")
	}
	return "redis"
}

// String says where the store is, and the namespace.
func (s *Store) String() string { return s.where }

// Close ends the subscription, and the client if [Open] made it. Leases stay.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		err = s.hub.close()
		if s.owned {
			err = errors.Join(err, s.client.Close())
		}
	})
	return err
}

// Ask implements [lockcore.Store].
//
// A request that can be granted at once costs one round trip. Only one that has
// to wait needs the subscription, so that is made then, and before it stands in
// line: a grant must not be published before somebody listens.
func (s *Store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	if err := s.learnGeneration(ctx); err != nil {
		return lockcore.Answer{}, err
	}
	generation := s.generations.before()
	ans, err := s.askOrWait(ctx, t, wake)
	if ans.Grant != nil && err == nil {
		s.generations.confirmed(t.ID, generation)
	}
	return ans, err
}

func (s *Store) askOrWait(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	q := s.query(t)
	if !s.hub.waits(q.id) {
		if sampled := q.sampled(); sampled != nil {
			if ans, over, err := s.ask(ctx, q, sampled, false); over || err != nil {
				return ans, err
			}
			q.missed()
		} else if !t.Wait || !s.hub.ready() {
			ans, over, err := s.ask(ctx, q, q.full(), false)
			if over || err != nil || !t.Wait {
				return ans, err
			}
		}
	}
	if !t.Wait {
		ans, _, err := s.ask(ctx, q, q.full(), false)
		return ans, err
	}
	if err := s.hub.add(ctx, q.id, t, wake); err != nil {
		return lockcore.Answer{}, s.explain(err)
	}
	ans, over, err := s.ask(ctx, q, q.full(), true)
	if over {
		s.hub.remove(q.id)
	}
	return ans, err
}

// ask sends the ticket once. It is over when the ticket was granted or refused
// for good, and not when it waits or would have to.
func (s *Store) ask(ctx context.Context, q *query, w *wants, wait bool) (ans lockcore.Answer, over bool, err error) {
	reply, acks, err := s.askScript(ctx, q, w, wait)
	if err != nil {
		return ans, false, err
	}
	if granted, ok := reply.(string); ok {
		if s.opts.MinReplicas > acks {
			return ans, true, s.giveBack(ctx, q.ticket.ID, acks)
		}
		_, ans.Grant = cutGrant(granted)
		ans.Grant.Ticket = q.ticket
		return ans, true, nil
	}
	parts := list(reply)
	if len(parts) == 0 {
		return ans, false, fmt.Errorf("%s: the script gave no answer", s)
	}
	switch kind := text(parts[0]); kind {
	case replyWaits:
		ans.Poll = time.Duration(number(text(parts[1]))) * time.Microsecond
		if s.opts.MinReplicas == 0 {
			ans.Window = min(sched.Provisional, q.ticket.TTL)
			ans.Latest = uint64(number(text(parts[2])))
		}
		ans.Disabled = disabled(q.ticket, parts[3:])
		return ans, false, nil
	case replyBusy:
		ans.Disabled = disabled(q.ticket, parts[1:])
		return ans, false, nil
	case replyEnded:
		return ans, true, fmt.Errorf("%s: %s: %w", s, ended(text(parts[1])), lockcore.ErrLost)
	case replyPolicy:
		return ans, true, s.underAnother(text(parts[1]))
	case replyLists:
		if err := s.register(ctx, q, parts[1:]); err != nil {
			return ans, false, err
		}
		return s.ask(ctx, q, w, wait)
	default:
		return ans, false, fmt.Errorf("%s: the script answered %q, which no version of it does", s, kind)
	}
}

func (s *Store) askScript(ctx context.Context, q *query, w *wants, wait bool) (reply any, acks int, err error) {
	args := q.args(w, wait)
	if s.opts.MinReplicas > 0 {
		return s.runAcknowledged(ctx, s.scripts.ask, args...)
	}
	reply, err = s.run(ctx, s.scripts.ask, args...)
	return reply, 0, err
}

// giveBack undoes a grant that too few replicas have.
func (s *Store) giveBack(ctx context.Context, id string, acks int) error {
	short := fmt.Errorf("%s: %d of min_replicas=%d replicas have the grant, so it was given back: see INFO replication", s, acks, s.opts.MinReplicas)
	g := &lockcore.Grant{Ticket: &lockcore.Ticket{ID: id}}
	if _, err := s.run(ctx, s.scripts.release, releaseArgs(g, 0, releaseUndo)...); err != nil {
		return errors.Join(short, err)
	}
	return short
}

// ended words a tombstone.
func ended(why string) string {
	if words, ok := strings.CutPrefix(why, endedByFree); ok {
		if words == "" {
			return "it was freed by hand"
		}
		return words
	}
	switch why {
	case endedWithdrawn:
		return "the request was withdrawn"
	case endedUntaken:
		return "the grant was not taken up in time"
	case endedOutdated:
		return "a later grant of its keys has come to light after a fail-over"
	case endedRegranted:
		return "it expired, and the same request has a later grant"
	case endedDataLost:
		return "the server has lost its data more than once since it was last renewed, or somebody deleted them: nobody knows who had its keys meanwhile"
	case endedForeign:
		return "another program has locked one of its keys"
	}
	return "it was released"
}

// Release implements [lockcore.Store].
func (s *Store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	s.hub.remove(encodeID(g.Ticket.ID))
	s.generations.forget(g.Ticket.ID)
	v, err := s.run(ctx, s.scripts.release, releaseArgs(g, keep, releasePlain)...)
	if err != nil {
		return err
	}
	if n, _ := v.(int64); n == 0 {
		return fmt.Errorf("%s: lease %s: %w", s, g.Ticket.ID, lockcore.ErrNotHeld)
	}
	return nil
}

// releaseArgs are those of the release script (release.lua).
func releaseArgs(g *lockcore.Grant, keep time.Duration, how string) []any {
	args := make([]any, 0, 16)
	plan := "0 - x"
	if m := commonMode(g); keep > 0 || how != releasePlain || m != "x" || g.Ending != lockcore.Released {
		plan = fmt.Sprintf("%d %s %s", micros(keep), how, m)
		if g.Ending != lockcore.Released {
			plan += fmt.Sprintf(" %d", g.Ending)
		}
	}
	var test []byte
	if g.Ticket.Owner.Test != "" {
		test = appendHistoryName(nil, g.Ticket)
	}
	args = append(args, encodeID(g.Ticket.ID), plan, encodeGot(g), test)
	for _, keys := range g.Obtained {
		for i := range keys {
			args = append(args, keyArg(&keys[i]))
		}
	}
	return args
}

// Withdraw implements [lockcore.Store].
func (s *Store) Withdraw(ctx context.Context, id string) error {
	s.hub.remove(encodeID(id))
	s.generations.forget(id)
	_, err := s.run(ctx, s.scripts.withdraw, encodeID(id))
	return err
}

// underAnother tells which policy the namespace is in use under, by its letter, so that
// this client may not use it.
func (s *Store) underAnother(letter string) error {
	const mend = "use the same for all, or wait until nobody holds or waits"
	switch letter {
	case policyBackfill:
		return fmt.Errorf("%s: it is in use under policy=%s, this client was opened for policy=%s: %s", s, lockcore.Backfill, s.opts.Policy, mend)
	case policyFIFO:
		return fmt.Errorf("%s: it is in use under policy=%s, this client was opened for policy=%s: %s", s, lockcore.FIFO, s.opts.Policy, mend)
	case policyFirstBackfill, policySoonBackfill:
		return fmt.Errorf("%s: it is in use by an older version of this program, which decides otherwise who may be served before somebody who came earlier (policy=backfill): %s", s, mend)
	}
	return fmt.Errorf("%s: it is in use by a newer version of this program, under a policy that this one does not know (%q): %s", s, letter, mend)
}
