package sched

import (
	"maps"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A trouble is what is remembered of a key whose last use did not end in order,
// or that was found unfit.
type trouble struct {
	ending  lockcore.Ending
	fence   uint64 // the last token given out then: it tells what came after it, even at one moment
	lease   string // whose use it was
	outages int    // with For, in a row
}

// troublesKept bounds how many keys are remembered. Clean uses leave nothing, so
// it is about resources that are in a bad state at the same time.
const troublesKept = 1000

// noteEnding remembers how a lease's use of keys ended.
//
// A clean ending makes up for what was known when that use began, and for what the
// lease itself did: it may have expired and come back. Of two who shared the key,
// one may have died since: then its key stays marked.
func (s *State) noteEnding(l *lease, how lockcore.Ending, keys []string) {
	for _, k := range keys {
		t, known := s.troubles[k]
		switch {
		case how != lockcore.Released:
			s.remember(k, trouble{how, s.fence, l.id, t.outages})
		case known && (t.fence < l.token || t.lease == l.id):
			delete(s.troubles, k)
			s.noteTrouble(k)
		}
	}
}

// endUse notes how the use of everything that a lease holds ended, if it was used.
func (s *State) endUse(l *lease, how lockcore.Ending) {
	if l.kind == disabled || l.kept || l.provisional != 0 {
		return
	}
	for _, keys := range l.obtained {
		s.noteEnding(l, how, keys)
	}
}

func (s *State) remember(key string, t trouble) {
	if _, known := s.troubles[key]; !known && len(s.troubles) >= troublesKept {
		s.forgetTrouble()
	}
	s.troubles[key] = t
	s.noteTrouble(key)
}

// forgetTrouble makes room: the oldest goes.
func (s *State) forgetTrouble() {
	var oldest string
	for i, k := range slices.Sorted(maps.Keys(s.troubles)) {
		if i == 0 || s.troubles[k].fence < s.troubles[oldest].fence {
			oldest = k
		}
	}
	delete(s.troubles, oldest)
	s.noteTrouble(oldest)
}

// lastEndings says how the last use of keys ended, where it was not in order.
func (s *State) lastEndings(picks [][]string) (last map[string]lockcore.Ending) {
	if len(s.troubles) == 0 {
		return nil
	}
	for _, keys := range picks {
		for _, k := range keys {
			if t := s.troubles[k]; t.ending != lockcore.Released {
				if last == nil {
					last = make(map[string]lockcore.Ending)
				}
				last[k] = t.ending
			}
		}
	}
	return last
}

// nextOutage is how long a key is out of service this time: twice as long as the
// last time, unless it was used in order since.
func (s *State) nextOutage(key string, base time.Duration) time.Duration {
	t := s.troubles[key]
	d := base
	for range t.outages {
		if d >= longestOutage/2 {
			d = max(base, longestOutage)
			break
		}
		d *= 2
	}
	t.outages, t.fence = t.outages+1, s.fence
	s.remember(key, t)
	return d
}

// forgetOutages starts the doubling anew: somebody has seen to the resource.
func (s *State) forgetOutages(key string) {
	t, known := s.troubles[key]
	s.noteTrouble(key)
	switch {
	case !known:
	case t.ending == lockcore.Released:
		delete(s.troubles, key)
	default:
		t.outages = 0
		s.troubles[key] = t
	}
}
