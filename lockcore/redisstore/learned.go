package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// holds are the last durations of one test.
type holds struct {
	last  time.Time // end of the newest
	times []time.Duration
}

// parseHolds reads "at n" and n durations in microseconds (history.lua).
func parseHolds(s string) (h holds, ok bool) {
	f := strings.Fields(s)
	if len(f) < 3 {
		return h, false
	}
	h.last = moment(f[0])
	for _, d := range f[2:] {
		h.times = append(h.times, time.Duration(number(d))*time.Microsecond)
	}
	slices.Sort(h.times)
	return h, true
}

// median is the middle of the durations, the later of two.
func (h holds) median() time.Duration { return max(h.times[len(h.times)/2], time.Microsecond) }

// learned is how long a lease is expected to be held by what stands in its record:
// the length, or the history as it was at its grant. A guess, behind a question mark, is
// none: to people unknown is unknown.
func learned(s string, since time.Time) time.Duration {
	s, _, _ = strings.Cut(s, "|")
	if h, ok := parseHolds(s); ok {
		if since.Sub(h.last) > sched.HistoryAge {
			return 0
		}
		return h.median()
	}
	return time.Duration(number(s)) * time.Microsecond
}

// History lists what was learned about how long tests hold, by whomever; see
// [lockcore.Locker.History]. It is read page by page, so what is learned meanwhile
// may be in it or not.
func (s *Store) History(ctx context.Context) ([]lockcore.Usage, error) {
	found := make(map[string]string) // a page may repeat what another had
	for cursor := uint64(0); ; {
		page, next, err := s.client.HScan(ctx, s.keys[0], cursor, "#* *", 1000).Result()
		if err != nil {
			return nil, s.explain(err)
		}
		for p := range slices.Chunk(page, 2) {
			found[strings.TrimPrefix(p[0], "#")] = p[1]
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	var out []lockcore.Usage
	for name, v := range found {
		h, ok := parseHolds(v)
		if !ok || now.Sub(h.last) > sched.HistoryAge {
			continue
		}
		in := decodeInfo("0 " + name)
		out = append(out, lockcore.Usage{Package: in.Owner.Package, Test: in.Owner.Test, Requirements: in.Names, Holds: len(h.times),
			Median: h.median(), Shortest: h.times[0], Longest: h.times[len(h.times)-1], Last: h.last})
	}
	slices.SortFunc(out, func(a, b lockcore.Usage) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Test, b.Test), slices.Compare(a.Requirements, b.Requirements))
	})
	return out, nil
}

// now is the clock of the server.
func (s *Store) now(ctx context.Context) (time.Time, error) {
	node, err := s.node(ctx)
	if err != nil {
		return time.Time{}, s.explain(err)
	}
	t, err := node.Time(ctx).Result()
	return t, s.explain(err)
}
