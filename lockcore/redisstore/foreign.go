package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// foreign lists the locks of other programs. It reads no more of a lock than
// its type and its beginning: it may be anything of any size.
func (s *Store) foreign(ctx context.Context, snap lockcore.Snapshot) ([]lockcore.Holder, error) {
	ours := make(map[string]bool) // keys that a lease of ours has
	for _, h := range snap.Holders {
		for _, k := range h.Keys() {
			ours[k] = true
		}
	}
	var names []string
	for cursor := uint64(0); ; {
		page, next, err := s.client.Scan(ctx, cursor, "lock:*", 1000).Result()
		if err != nil {
			return nil, s.explain(err)
		}
		for _, name := range page {
			if !ours[strings.TrimPrefix(name, "lock:")] {
				names = append(names, name)
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	type look struct {
		value *redis.StringCmd
		ttl   *redis.DurationCmd
	}
	looks := make([]look, len(names))
	pipe := s.client.Pipeline()
	for i, name := range names {
		looks[i] = look{pipe.GetRange(ctx, name, 0, 255), pipe.PTTL(ctx, name)}
	}
	_, _ = pipe.Exec(ctx) // each has its own error: a lock may be of another type, or gone
	var out []lockcore.Holder
	for i, l := range looks {
		ttl, err := l.ttl.Result()
		if err != nil {
			return nil, s.explain(err)
		}
		if ttl == -2 {
			continue // released meanwhile
		}
		id := l.value.Val()
		if l.value.Err() != nil {
			id = "(not a string)"
		}
		var expires time.Time
		if ttl > 0 {
			expires = snap.Time.Add(ttl)
		}
		out = append(out, foreignHolder(strings.TrimPrefix(names[i], "lock:"), id, expires))
	}
	return out, nil
}

func foreignHolder(key, id string, expires time.Time) lockcore.Holder {
	return lockcore.Holder{
		ID: id, State: "foreign", Expires: expires, Obtained: [][]string{{key}}, Requirements: []lockcore.Requirement{{Need: 1}},
		Owner: lockcore.Owner{Test: "another program"},
	}
}
