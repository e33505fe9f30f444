package ginkgolock

import (
	"context"
	"errors"
	"net/http"
	"net/rpc"
	"os"
	"time"

	"github.com/onsi/ginkgo/v2"
)

// When a spec fails under --fail-fast, Ginkgo interrupts the other processes,
// but not their reporting nodes, where we wait. So a waiting process asks the
// ginkgo command, which all its processes report to, by itself. Ginkgo's client
// for that is internal; the question is as small as can be, and without an
// answer the wait goes on as if it had not been asked.

// abortEvery is how often it asks, as Ginkgo does.
const abortEvery = 500 * time.Millisecond

var (
	errAborted = errors.New("the suite was aborted by another process")
	errAlone   = errors.New("the ginkgo command has ended")
)

// heedAbort returns a context that ends when another process aborts the suite,
// or the ginkgo command is gone.
func heedAbort(ctx context.Context) (context.Context, func()) {
	suite, _ := ginkgo.GinkgoConfiguration()
	ctx, cancel := context.WithCancelCause(ctx)
	if suite.ParallelTotal <= 1 || suite.ParallelHost == "" {
		return ctx, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask := abortQuestion(suite.ParallelHost)
		tick := time.NewTicker(abortEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if err := ask(); err != nil {
				cancel(err)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// abortQuestion returns a function that says why the wait should end, if it
// should. The protocol is chosen by the variable by which Ginkgo chooses it.
func abortQuestion(host string) func() error {
	if os.Getenv("GINKGO_PARALLEL_PROTOCOL") == "HTTP" {
		client := &http.Client{Timeout: 2 * time.Second}
		return func() error {
			r, err := client.Get(host + "/abort")
			if err != nil {
				return orphaned()
			}
			r.Body.Close()
			if r.StatusCode == http.StatusGone {
				return errAborted
			}
			return nil
		}
	}
	var conn *rpc.Client
	return func() (err error) {
		if conn == nil {
			if conn, err = rpc.DialHTTPPath("tcp", host, "/"); err != nil {
				conn = nil
				return orphaned()
			}
		}
		var abort bool
		if err := conn.Call("Server.ShouldAbort", struct{}{}, &abort); errors.Is(err, rpc.ErrShutdown) {
			conn = nil
			return orphaned()
		}
		if abort {
			return errAborted
		}
		return nil
	}
}

// parent is the process that started this one.
var parent = os.Getppid()

// orphaned tells a command that has ended from one that does not answer.
func orphaned() error {
	if os.Getppid() != parent {
		return errAlone
	}
	return nil
}
