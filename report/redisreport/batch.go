package redisreport

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A batch is what is to be added: sums by tag and value, and the tag names as
// they were given. Adding in memory first makes ten thousand acquisitions of one
// board a single command.
type batch struct {
	names map[string]bool
	sums  map[tagValue]map[Aspect]amount
}

func newBatch() batch {
	return batch{names: map[string]bool{}, sums: map[tagValue]map[Aspect]amount{}}
}

// A tagValue is a pair of sanitised names. It is kept apart from the key that it
// makes, since "a__b" could be cut in two ways.
type tagValue struct{ tag, value string }

func (a tagValue) compare(b tagValue) int {
	return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.value, b.value))
}

// An amount is a count or a time, never both.
type amount struct {
	n int64
	d time.Duration
}

// partSize bounds how many tags and values go into one round trip: a timeout then
// costs a part, and a huge batch does not hold up Redis for others.
const partSize = 500

// parts cuts the batch, in a fixed order.
func (b batch) parts() iter.Seq[batch] {
	return func(yield func(batch) bool) {
		names := b.names
		for ats := range slices.Chunk(slices.SortedFunc(maps.Keys(b.sums), tagValue.compare), partSize) {
			part := batch{names, make(map[tagValue]map[Aspect]amount, len(ats))}
			for _, at := range ats {
				part.sums[at] = b.sums[at]
			}
			if !yield(part) {
				return
			}
			names = nil // once is enough
		}
	}
}

// send writes the batch in one round trip, in a fixed order. It returns how many
// sums did not arrive, with the first error. It is no transaction: on Redis
// Cluster the keys lie on several nodes, and each command is whole by itself.
func (b batch) send(ctx context.Context, client redis.UniversalClient) (lost int64, err error) {
	pipe := client.Pipeline()
	var sums []redis.Cmder
	for _, name := range slices.Sorted(maps.Keys(b.names)) {
		pipe.SAdd(ctx, tagsKey, name)
	}
	for _, at := range slices.SortedFunc(maps.Keys(b.sums), tagValue.compare) {
		pipe.SAdd(ctx, valuesKey(at.tag), at.value)
		key := sumsKey(at.tag, at.value)
		for _, a := range Aspects() {
			switch sum, ok := b.sums[at][a]; {
			case !ok:
			case a == AcquireWait || a == ReleaseWait:
				// As the original: a float, which Redis prints in decimal
				// without an exponent, so that it reads as JSON.
				sums = append(sums, pipe.HIncrByFloat(ctx, key, string(a), sum.d.Seconds()))
			default:
				sums = append(sums, pipe.HIncrBy(ctx, key, string(a), sum.n))
			}
		}
	}
	_, err = pipe.Exec(ctx)
	for _, c := range sums {
		if c.Err() != nil {
			lost++
		}
	}
	return lost, err
}
