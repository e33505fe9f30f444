package sched

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A kind says what a lease depends on.
type kind uint8

const (
	leased   kind = iota // on a program that renews it
	reserved             // on nothing but its time: a person has the keys
	disabled             // on whoever enables the key; see disable.go
)

// takeUp confirms the grant of a lease. From here on a program has a full TTL,
// and a person the full time of the reservation, whatever becomes of the process
// that asked for it.
func (s *State) takeUp(l *lease) {
	l.provisional = 0
	l.expires = s.now + int64(l.ttl)
	if l.hold > 0 {
		l.kind, l.proc = reserved, ""
		l.expires = later(s.now, l.hold)
	}
	s.noteLease(l)
	s.expiresAt(l.expires)
}

// ExtendReservation moves the end of a reservation to d from now, unless it is
// later already, and returns it. It reports false if there is no such reservation.
func (s *State) ExtendReservation(now int64, id string, d time.Duration, rnd Rand) (end int64, ok bool) {
	s.begin(now, rnd)
	l := s.leases[id]
	if l == nil || l.kind != reserved {
		return 0, false
	}
	l.expires = max(l.expires, later(s.now, d))
	s.noteLease(l)
	return l.expires, true
}

// EndReservation gives back some keys of a reservation. It reports false, and
// changes nothing, if they are not all its own.
func (s *State) EndReservation(now int64, id string, keys []string, rnd Rand) bool {
	s.begin(now, rnd)
	l := s.leases[id]
	if l == nil || l.kind != reserved || len(keys) == 0 {
		return false
	}
	held := slices.Concat(l.obtained...)
	for _, k := range keys {
		if !slices.Contains(held, k) {
			return false
		}
	}
	s.vacate(l)
	s.noteLease(l)
	rest := 0
	l.obtained = slices.Clone(l.obtained) // the grant shares the old one
	for r := range l.obtained {
		l.obtained[r] = slices.DeleteFunc(slices.Clone(l.obtained[r]), func(k string) bool { return slices.Contains(keys, k) })
		rest += len(l.obtained[r])
	}
	s.noteEnding(l, lockcore.Released, keys)
	if rest == 0 {
		delete(s.leases, l.id)
	} else {
		s.occupy(l)
	}
	s.schedule(rnd)
	return true
}
