package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A rival is a way to take one of some keys, in turn with others.
type rival struct {
	name string
	// join makes another client of it. Its take returns how to give back what it took.
	join func(b *testing.B, addr string, keys []string) (take func(context.Context) (giveBack func() error, err error))
}

var rivals = []rival{{"store", joinStore}, {"first in, first out", joinFIFO}, {"python-redis-lock", joinPython}}

func joinStore(b *testing.B, addr string, keys []string) func(context.Context) (func() error, error) {
	l := locker(b, open(b, addr, redisstore.Options{}))
	return func(ctx context.Context) (func() error, error) {
		le, err := l.Acquire(ctx, request(time.Minute, of(1, keys...)))
		if err != nil {
			return nil, err
		}
		return func() error { return le.Release(context.WithoutCancel(ctx)) }, nil
	}
}

// The least that a server has to do for a hand-over in one round trip: it takes the
// first of a list, and tells it. It knows no leases, no choice, and nobody who dies.
var (
	fifoAsk = redis.NewScript(`local k = redis.call('SPOP', KEYS[1])
		if not k then redis.call('RPUSH', KEYS[2], ARGV[1]) end
		return k`)
	fifoRelease = redis.NewScript(`local next = redis.call('LPOP', KEYS[2])
		if next then redis.call('PUBLISH', next, ARGV[1]) else redis.call('SADD', KEYS[1], ARGV[1]) end
		return 1`)
)

func joinFIFO(b *testing.B, addr string, keys []string) func(context.Context) (func() error, error) {
	c := redis.NewClient(&redis.Options{Addr: addr})
	b.Cleanup(func() { c.Close() })
	free, line, fill := "fifo:free", "fifo:line", c.SetNX(b.Context(), "fifo:made", 1, 0)
	if fill.Val() {
		c.SAdd(b.Context(), free, keys)
	}
	channel := fmt.Sprint("fifo:", time.Now().UnixNano())
	sub := c.Subscribe(b.Context(), channel)
	if _, err := sub.Receive(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sub.Close() })
	told := make(chan string, 1)
	go func() {
		for {
			m, err := sub.ReceiveMessage(context.Background())
			if err != nil {
				return
			}
			told <- m.Payload
		}
	}()
	return func(ctx context.Context) (func() error, error) {
		k, err := fifoAsk.Run(ctx, c, []string{free, line}, channel).Text()
		if errors.Is(err, redis.Nil) {
			select {
			case k = <-told:
				err = nil
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return nil, err
		}
		return func() error {
			return fifoRelease.Run(context.WithoutCancel(ctx), c, []string{free, line}, k).Err()
		}, nil
	}
}

// What python-redis-lock does: SET NX, else sleep in BLPOP until a release has filled a
// list, and try again. It takes one key only, so several are locked in turn.
var pythonWay = redis.NewScript(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
	redis.call('DEL', KEYS[2])
	redis.call('LPUSH', KEYS[2], 1)
	redis.call('PEXPIRE', KEYS[2], 1000)
	return redis.call('DEL', KEYS[1])`)

func joinPython(b *testing.B, addr string, keys []string) func(context.Context) (func() error, error) {
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	b.Cleanup(func() { c.Close() })
	id, k := strconv.FormatInt(time.Now().UnixNano(), 36), "lock:"+keys[int(time.Now().UnixNano()/1000)%len(keys)]
	return func(ctx context.Context) (func() error, error) {
		for {
			got, err := c.SetNX(ctx, k, id, time.Minute).Result()
			if err != nil {
				return nil, err
			}
			if got {
				return func() error {
					return pythonWay.Run(context.WithoutCancel(ctx), c, []string{k, "lock-signal:" + k}, id).Err()
				}, nil
			}
			if err := c.BLPop(ctx, time.Second, "lock-signal:"+k).Err(); err != nil && !errors.Is(err, redis.Nil) {
				return nil, err
			}
		}
	}
}
