package quorumstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestNoClient(t *testing.T) {
	var none *redis.Client
	some := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer some.Close()
	for name, client := range map[string]redis.UniversalClient{"nil": nil, "a nil *Client": none} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != "quorumstore: client 2 of 2 is nil" {
					t.Errorf("%s: %s", name, got)
				}
			}()
			New(some, client)
		}()
	}
	s := New()
	defer s.Close()
	if _, err := s.Snapshot(watched(t)); !errors.Is(err, lockcore.ErrNoQuorum) || !strings.Contains(err.Error(), "the store was made without any") {
		t.Errorf("without servers: %v", err)
	}
}
