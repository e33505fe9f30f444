package redisreport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrNoData is what Query says of a tag and value that nothing was counted for.
var ErrNoData = errors.New("nothing was counted")

// A Query reads the sums. Tags and values may be given raw or sanitised. Its
// methods are safe for concurrent use, and each is one round trip.
type Query struct {
	Client redis.UniversalClient // required; it stays the caller's to close
}

// AllTags lists the names of tags, sorted, as they were given when counted.
func (q Query) AllTags(ctx context.Context) ([]string, error) {
	return q.members(ctx, tagsKey)
}

// AllValues lists the sanitised values that were seen with a tag, sorted. It is
// empty for a tag that was never seen.
func (q Query) AllValues(ctx context.Context, tag string) ([]string, error) {
	return q.members(ctx, valuesKey(Sanitise(tag)))
}

func (q Query) members(ctx context.Context, key string) ([]string, error) {
	all, err := q.Client.SMembers(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("redisreport: reading %q: %w", key, err)
	}
	slices.Sort(all)
	return all, nil
}

// AllAspects returns every sum of a tag and value; counts are whole numbers, waits
// are seconds. Aspects that were never counted are absent. The map is empty when
// nothing was.
func (q Query) AllAspects(ctx context.Context, tag, value string) (map[Aspect]float64, error) {
	key := sumsKey(Sanitise(tag), Sanitise(value))
	fields, err := q.Client.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("redisreport: reading %q: %w", key, err)
	}
	sums := make(map[Aspect]float64, len(fields))
	for field, s := range fields {
		if sums[Aspect(field)], err = number(key, field, s); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// Aspect returns one sum of a tag and value. It is 0 for an aspect that was never
// counted there, and ErrNoData when nothing at all was, which is more often a
// misspelt tag than news.
func (q Query) Aspect(ctx context.Context, tag, value string, a Aspect) (float64, error) {
	if err := a.validate(); err != nil {
		return 0, err
	}
	key := sumsKey(Sanitise(tag), Sanitise(value))
	pipe := q.Client.Pipeline()
	known := pipe.Exists(ctx, key)
	field := pipe.HGet(ctx, key, string(a))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("redisreport: reading %q: %w", key, err)
	}
	switch s, err := field.Result(); {
	case err == nil:
		return number(key, string(a), s)
	case known.Val() == 0:
		return 0, fmt.Errorf("redisreport: %w for tag %q with value %q; AllTags and AllValues list what there is", ErrNoData, tag, value)
	}
	return 0, nil
}

// number reads a sum as Redis prints it, after either side's writing.
func number(key, field, s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("redisreport: %q in %q is %q, which is no number; is this the database of the sums?", field, key, s)
	}
	return f, nil
}

// validName is a tag as it goes into _TAGS: raw, but for bytes that are no UTF-8.
func validName(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
