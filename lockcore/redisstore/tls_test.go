package redisstore_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A server without TLS waits for the rest of what it takes for a command: the error says
// what may be wrong, and has no password.
func TestTLSWithServerWithoutIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() // connections are taken by the system, and nobody answers
	for _, url := range []string{"rediss://:hush@" + l.Addr().String() + "?", "rediss+cluster://:hush@" + l.Addr().String() + "?"} {
		s, err := redisstore.Open(t.Context(), url+"dial_timeout=20ms&max_retries=-1", nil)
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Snapshot(t.Context())
		assert.ErrorContains(t, err, "no TLS answer within 20ms: does the server speak TLS, or should the URL be redis:// instead of rediss://?")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotContains(t, err.Error(), "hush")
	}
}
