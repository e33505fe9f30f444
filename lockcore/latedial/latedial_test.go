package latedial_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
)

// logger keeps what go-redis writes.
type logger struct {
	mu    sync.Mutex
	lines []string
}

func (l *logger) Printf(_ context.Context, format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, v...))
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// The error of a command is what it is with the usual dialer, and the pool has
// nothing to write.
func TestAPoolHasNothingToWriteAndTheCallerLosesNothing(t *testing.T) {
	log := &logger{}
	redis.SetLogger(log)
	addr := nobody(t)
	ping := func(wrap func(latedial.Func) latedial.Func) error {
		o := &redis.Options{Addr: addr, DialerRetries: 1, MaxRetries: 2, MinRetryBackoff: time.Millisecond}
		o.Dialer = wrap(redis.NewDialer(o))
		c := redis.NewClient(o)
		defer c.Close()
		return c.Ping(context.Background()).Err()
	}
	err := ping(latedial.Wrap)
	require.Error(t, err)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	var op *net.OpError
	assert.True(t, errors.As(err, &op) && op.Op == "dial")
	assert.Empty(t, log.lines)

	usual := ping(func(d latedial.Func) latedial.Func { return d })
	assert.Equal(t, usual.Error(), err.Error())
	assert.NotEmpty(t, log.lines, "without it there are lines")

	log.lines = nil
	t.Setenv("RTEST_DEBUG", "1")
	assert.Error(t, ping(latedial.Wrap))
	assert.NotEmpty(t, log.lines)
}

func TestAServerThatIsThereIsReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := latedial.Wrap((&net.Dialer{}).DialContext)(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, l.Addr().String(), c.RemoteAddr().String())
}

func ExampleWrap() {
	dial := latedial.Wrap(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody is there") })
	c, err := dial(context.Background(), "tcp", "db:6379")
	fmt.Println(c.RemoteAddr(), err)
	_, err = c.Write([]byte("PING"))
	fmt.Println(strings.TrimSpace(err.Error()))
	// Output:
	// db:6379 <nil>
	// nobody is there
}

// Every dialer of package redis is one.
var _ latedial.Func = redis.NewDialer(&redis.Options{})

func ExampleFunc() {
	var dial latedial.Func = (&net.Dialer{Timeout: time.Second}).DialContext
	fmt.Println(dial != nil)
	// Output: true
}
