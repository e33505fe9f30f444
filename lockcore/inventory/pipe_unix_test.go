//go:build unix

package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipe makes a named pipe, and ends at the end of the test what waits for it.
func pipe(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "lab.yml")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	t.Cleanup(func() {
		f, err := os.OpenFile(path, os.O_RDWR, 0) // of both ends: opening it waits for nobody
		require.NoError(t, err)
		f.Close()
	})
	return path
}

// isOpening reports whether a file or pipe is opened now.
func (s *Source) isOpening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opening != nil
}

// Nothing ends the opening of a pipe that nobody writes to: the end of the context ends
// the call, and those that come behind it.
func TestPipeWithoutWriter(t *testing.T) {
	s := At(pipe(t))
	why := errors.New("the wait is over")
	for range 2 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			for !s.isOpening() {
				runtime.Gosched()
			}
			cancel(why)
		}()
		_, err := s.Read(ctx)
		assert.ErrorIs(t, err, why)
		assert.ErrorContains(t, err, "reading the inventory "+s.String()+": the wait is over: it is a pipe, and nobody has written")
	}
	s.limit = time.Nanosecond
	_, err := s.Read(context.Background())
	assert.ErrorContains(t, err, "no answer within 1ns")
}

// A pipe with a writer is as good as a file, as in RTEST_POOLS=<(generate).
func TestPipeWithWriter(t *testing.T) {
	path := pipe(t)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		_, _ = f.WriteString(boards("b1, b2"))
	}()
	assert.Equal(t, "b1 b2", keys(t, At(path)))
}

// A file system that does not answer holds up the one who looks, and nobody else.
func TestFileSystemThatDoesNotAnswer(t *testing.T) {
	s := At(filepath.Join(t.TempDir(), "lab.yml"))
	s.reading.Lock() // as a call to it does that has not returned
	defer s.reading.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Read(ctx)
	assert.EqualError(t, err, "reading the inventory "+s.String()+": context canceled: the file system does not answer")
}
