package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

func TestNoClient(t *testing.T) {
	var one *redis.Client
	var cluster *redis.ClusterClient
	for name, client := range map[string]redis.UniversalClient{"nil": nil, "a nil *Client": one, "a nil *ClusterClient": cluster} {
		if _, err := redisstore.New(client, nil); err == nil || err.Error() != "redisstore: New was given no client: it is nil" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
