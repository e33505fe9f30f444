package lockcore

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A process that was stopped beyond its TTL gets to the user's code before the
// runtime's timers have run.
func TestAContextThatIsLookedAtLooksAtTheClock(t *testing.T) {
	for name, look := range map[string]func(ctx context.Context) bool{
		"Err":  func(ctx context.Context) bool { return ctx.Err() != nil },
		"Done": func(ctx context.Context) bool { <-ctx.Done(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			l := New(nil, nil)
			g := &Grant{Ticket: &Ticket{TTL: time.Hour}, Obtained: [][]string{{"board"}}}
			le := &Lease{locker: l, grant: g, valid: time.Now().Add(time.Hour)}
			le.open(t.Context())
			derived, cancel := context.WithCancel(le.Context())
			defer cancel()
			if le.Context().Err() != nil {
				t.Fatal("over before its time")
			}
			le.mu.Lock()
			le.expiry.Stop() // the timer that is late
			le.valid = time.Now()
			le.mu.Unlock()
			if !look(le.Context()) || !errors.Is(context.Cause(le.Context()), ErrLost) {
				t.Fatalf("the time is over, and the context says %v", context.Cause(le.Context()))
			}
			<-derived.Done()
		})
	}
}
