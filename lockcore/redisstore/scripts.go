package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*/*.lua
var sources embed.FS

// Lua has no modules in Redis, so a script is one file after the other, in this order:
//
//   - lua/always, first part: what all need; and server, for those who renew, or state their
//     case;
//   - lua/op, the short way to a grant: it covers the usual case;
//   - lua/always, history and entries: what short and long ways have in common that have to
//     do with tests and waiters;
//   - lua/op, the other short ways, each before what only the longer ones need;
//   - lua/always, the rest: what every operation needs;
//   - lua/line and lua/rest, as functions that run when one of theirs is first called:
//     those about waiters; those about waiters that were not served; and those that are
//     seldom needed;
//   - lua/op, the operation.
//
// The functions of Redis 7 (FUNCTION LOAD) would not be made anew in each call. That
// is 20 µs of a hand-over's 500, 80 where all are made. They are not used: a server without
// them needs this way anyway, one that is full takes no call of a function that may
// write, and each version would leave a library behind.
//
// The files of a directory are here in the order in which they are put together.
var (
	first  = []string{"names", "clock"}
	always = []string{"step", "lengths", "records", "", "keys", "match", "grant", "generation", "begin"} // "" stands for solo or interop
	line   = []string{"registry", "pools", "augment", "queue", "claims", "pass", "serve"}
	unmet  = []string{"register", "shadow", "backfill", "patience"}
	rest   = []string{"nested", "endings", "outages", "take_away", "upkeep"}
)

// scripts are the operations, with or without interop.
type scripts struct {
	ask, renew, assert, release, withdraw, free, snapshot, list *script
	disable, enable, extend, giveBack                           *script
}

// A script is its text and its SHA-1, both as arguments of a command.
type script struct{ text, digest any }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text, hex.EncodeToString(sum[:])}
}

// They are put together when a store is opened: every program that can open one
// begins without them, and most never do.
var plain, withInterop = sync.OnceValue(func() scripts { return assemble("solo") }), sync.OnceValue(func() scripts { return assemble("interop") })

// assemble puts the scripts together; outside is the file about locks of other
// programs.
func assemble(outside string) scripts {
	begin, history, entries, common := pieces(outside)
	server := piece("always", "server") // for those who tell the generation of the data
	script := func(op string) *script {
		if op == "renew" || op == "assert" {
			return newScript(begin + server + history + entries + common + piece("op", op))
		}
		return newScript(begin + history + entries + common + piece("op", op))
	}
	s := scripts{
		ask: script("ask"), renew: script("renew"), assert: script("assert"), release: script("release"), withdraw: script("withdraw"),
		free: script("free"), snapshot: script("snapshot"), list: script("list"),
		disable: script("disable"), enable: script("enable"), extend: script("extend"), giveBack: script("give_back"),
	}
	if outside == "solo" { // other programs' locks are not looked for on the short ways
		s.ask = newScript(begin + piece("op", "ask_fast") + history + entries + piece("op", "join_fast") + common + piece("op", "ask"))
		s.renew = newScript(begin + server + piece("op", "renew_fast") + history + entries + common + piece("op", "renew"))
		s.release = newScript(begin + history + piece("op", "release_fast") + entries + piece("op", "hand_over_fast") + common + piece("op", "release"))
	}
	return s
}

// pieces are what stands before an operation: what every short way needs, too; what the
// short ways need that have to do with tests; those that have to do with waiters; and
// the rest.
func pieces(outside string) (begin, history, entries, common string) {
	names := slices.Clone(always)
	names[slices.Index(names, "")] = outside
	return piece("always", first...), piece("always", "history"), piece("always", "entries"),
		piece("always", names...) + later("line", "line", line) + later("unmet", "rest", unmet) + later("rest", "rest", rest)
}

// later is some files of a directory as a function that makes theirs.
func later(name, dir string, names []string) string {
	return "function M." + name + "()\n" + piece(dir, names...) + "end\n"
}

// piece is some files of a directory, one after the other.
func piece(dir string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(source("lua/" + dir + "/" + name + ".lua"))
	}
	return b.String()
}

// source is a file with the values of its constants.
func source(name string) string {
	text, err := sources.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return withConstants(mutated(name, string(text)))
}

// mutated is the text itself, unless a test tries whether a change would be noticed.
var mutated = func(name, text string) string { return text }

// run calls a script: by its digest, and with its text if the server does not
// know it (any more).
//
// The commands are made here, as go-redis' own Script would make them, because
// every acquire and release is one: it spares ten of the allocations of a pair.
func (s *Store) run(ctx context.Context, sc *script, args ...any) (any, error) {
	call := func(how string, which any) *redis.Cmd {
		cmd := redis.NewCmd(ctx, s.command(how, which, args)...)
		cmd.SetFirstKeyPos(firstKey)
		_ = s.client.Process(ctx, cmd) // the command has the error
		return cmd
	}
	cmd := call("evalsha", sc.digest)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		cmd = call("eval", sc.text)
	}
	v, err := cmd.Result()
	if err != nil {
		s.lookAgain(ctx, err)
	}
	return v, s.explain(err)
}

// firstKey is where the keys begin in what command returns; the client of a
// Cluster finds the server by it.
const firstKey = 3

func (s *Store) command(how string, which any, args []any) []any {
	out := make([]any, 0, firstKey+2+len(args))
	return append(append(out, how, which, 2, &s.keys[0], &s.keys[1]), args...)
}

// runAcknowledged is run that also has the server say how many replicas have
// what the script wrote. Both commands go in one write over one connection: the
// server counts what that connection wrote, and everything before it.
func (s *Store) runAcknowledged(ctx context.Context, sc *script, args ...any) (v any, acks int, err error) {
	node, err := s.node(ctx)
	if err != nil {
		return nil, 0, s.explain(err)
	}
	call := func(how string, which any) (cmd, wait *redis.Cmd) {
		pipe := node.Pipeline()
		cmd = pipe.Do(ctx, s.command(how, which, args)...)
		wait = pipe.Do(ctx, "WAIT", s.opts.MinReplicas, waitLimit.Milliseconds())
		_, _ = pipe.Exec(ctx) // each command has its own error
		return cmd, wait
	}
	cmd, wait := call("evalsha", sc.digest)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		cmd, wait = call("eval", sc.text)
	}
	if v, err = cmd.Result(); err != nil {
		s.lookAgain(ctx, err)
		return nil, 0, s.explain(err)
	}
	acks, err = wait.Int()
	return v, acks, s.explain(err)
}

// lookAgain has a Cluster's client find out who has which slot, so that the next
// call goes to the right place. By itself it does so once a minute, or when a
// server that lives tells it; one that died does not.
func (s *Store) lookAgain(ctx context.Context, err error) {
	if cc, ok := s.client.(*redis.ClusterClient); ok && !isRefusal(err) {
		cc.ReloadState(ctx)
	}
}

// isRefusal reports whether the server itself said no, and would again.
func isRefusal(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !redis.HasErrorPrefix(err, "MOVED") && !redis.HasErrorPrefix(err, "CLUSTERDOWN")
}

// waitLimit is how long a server waits for its replicas. They answer within a
// round trip, unless they are gone or their machine is busy; it is less than the
// 3 s for which go-redis waits for the server.
const waitLimit = 2 * time.Second

// node is the server that has the namespace, as far as is known.
func (s *Store) node(ctx context.Context) (redis.Cmdable, error) {
	if cc, ok := s.client.(*redis.ClusterClient); ok {
		return cc.MasterForKey(ctx, s.keys[0])
	}
	return s.client, nil
}

// hints say what to do about the errors that a server's state explains.
var hints = []struct{ prefix, hint string }{
	{"OOM", "the server is out of memory: raise its maxmemory, or remove what fills it"},
	{"READONLY", "this server is a replica: name the master, or use redis+sentinel://"},
	{"LOADING", "the server is still loading its data: try again soon"},
	{"MISCONF", "the server cannot save its data and therefore refuses writes: see its log and its disk"},
	{"NOREPLICAS", "the server has fewer replicas than its min-replicas-to-write"},
	{"MASTERDOWN", "this replica has lost its master: name the master, or use redis+sentinel://"},
	{"CLUSTERDOWN", "the cluster is not whole: see CLUSTER INFO"},
	{"NOAUTH", "the server wants a password: redis://user:password@host, or redis://:password@host"},
	{"WRONGPASS", "user or password is wrong; in the URL, / @ : # and ? in them are written %2F %40 %3A %23 %3F"},
	{"NOPERM", "the user lacks a permission"},
	{"WRONGTYPE", "another program uses a key of this name: choose another namespace, or delete the key"},
	{"MAXCLIENTS", "the server has no connection left: raise its maxclients, or lower pool_size"},
}

// explain adds where the store is, and what can be done.
func (s *Store) explain(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	for _, h := range hints {
		if redis.HasErrorPrefix(err, h.prefix) || strings.HasPrefix(err.Error(), "ERR Error running script") && strings.Contains(err.Error(), h.prefix+" ") {
			hint := h.hint
			if h.prefix == "NOPERM" {
				hint = fmt.Sprintf("%s: it needs ~%s* &%s* +@all -@dangerous, or at least the commands of the scripts", hint, s.base, escape(s.base))
			}
			return fmt.Errorf("%s: %s (%w)", s, hint, err)
		}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: nothing listens there: start the server, or correct the URL (%w)", s, flat{err})
	}
	return fmt.Errorf("%s: %w", s, flat{err})
}

// flat is an error on one line: go-redis joins those of several servers by line
// breaks.
type flat struct{ error }

func (e flat) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e flat) Unwrap() error { return e.error }

// text is a reply that is a string; anything else is empty.
func text(v any) string {
	t, _ := v.(string)
	return t
}

// list is a reply that is an array; anything else is empty.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}
