package redisstore_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// Who waits for a key hears at once that it is out of service, and not at the next poll.
func TestLineHearsOfAnOutage(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		ask(b, s, ticket("holder", time.Hour, of(1, "k")))
		l := locker(b, b.open(redisstore.Options{}))
		got := make(chan error)
		go func() {
			_, err := l.Acquire(b.Context(), request(time.Minute, of(1, "k")))
			got <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		disabled := time.Now()
		if _, err := s.Disable(b.Context(), lockcore.Outage{Keys: []string{"k"}}); err != nil {
			b.Fatal(err)
		}
		if err := <-got; !errors.Is(err, lockcore.ErrOutOfService) || time.Since(disabled) > soon {
			b.Errorf("after %s: %v", time.Since(disabled), err)
		}
	})
}
