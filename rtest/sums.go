package rtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/latedial"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
)

// sums count for RTEST_REPORT. A nil one counts nothing.
type sums struct{ r *redisreport.Reporter }

var reporters struct {
	sync.Mutex
	open map[string]*sums
}

// reportSums opens the counter for an address, once. Like a log that cannot be
// opened, an address that cannot be read is told once and fails no test.
func reportSums(url string) *sums {
	if url == "" {
		return nil
	}
	reporters.Lock()
	defer reporters.Unlock()
	s, known := reporters.open[url]
	if known {
		return s
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		// The parser's words may quote the address, and with it a password.
		fmt.Fprintf(os.Stderr, "rtest: %s: nothing is counted: want an address such as redis://host:6379/1\n", envReport)
	} else {
		opts.MaxRetries = -1 // a retry could count twice
		// Five attempts to connect, as is usual, take longer than a test binary has at
		// its end: it would be over before anybody is told that the server is down.
		opts.DialerRetries = 1
		opts.Dialer = latedial.Wrap(redis.NewDialer(opts)) // the server that is down is told once, below
		var told sync.Once
		s = &sums{redisreport.New(redis.NewClient(opts), &redisreport.Options{OnError: func(err error) {
			told.Do(func() { fmt.Fprintf(os.Stderr, "rtest: %s: %v\n", envReport, err) })
		}})}
	}
	if reporters.open == nil {
		reporters.open = make(map[string]*sums)
	}
	reporters.open[url] = s
	return s
}

// The four moments that the original counts, each once for a call and not once
// for an attempt: its clients polled, so that its sums grew with the wait.

func (s *sums) requested(reqs []lockcore.Requirement) {
	if s != nil {
		s.r.LockRequested(allCandidates(reqs)...)
	}
}

func (s *sums) failed(reqs []lockcore.Requirement) {
	if s != nil {
		s.r.LockFailed(allCandidates(reqs)...)
	}
}

func (s *sums) obtained(waited time.Duration, what []lockcore.Candidate) {
	if s != nil {
		s.r.LockSuccess(waited, what...)
	}
}

func (s *sums) released(held time.Duration, what []lockcore.Candidate) {
	if s != nil {
		s.r.LockReleased(held, what...)
	}
}

// flush waits no longer than ctx lasts, although the reporter may.
func (s *sums) flush(ctx context.Context) {
	if s == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.r.Flush() // failures are told once, and counted
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// allCandidates lists every key once: several requirements may name it.
func allCandidates(reqs []lockcore.Requirement) []lockcore.Candidate {
	if len(reqs) == 1 {
		return reqs[0].Candidates
	}
	var out []lockcore.Candidate
	seen := make(map[string]bool)
	for _, r := range reqs {
		for _, c := range r.Candidates {
			if !seen[c.Key] {
				seen[c.Key] = true
				out = append(out, c)
			}
		}
	}
	return out
}
