package sched

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A key that is out of service is held by a lease of its own, beside whoever held
// it before: exclusively, so nobody else gets it, and when the holder is gone that
// lease is still there. So there is nothing to wait for, and no step between.

// disabledID is the id of the lease that keeps a key out of service.
func disabledID(key string) string { return "disabled:" + key }

// longestOutage bounds what For is doubled to.
const longestOutage = 24 * time.Hour

// Disable takes keys out of service, and with o.Now from those who hold them. It
// returns the holders. See [lockcore.Outage].
func (s *State) Disable(now int64, o *lockcore.Outage, rnd Rand) []lockcore.Holder {
	s.begin(now, rnd)
	var holders []*lease
	for _, k := range o.Keys {
		s.disable(k, o)
		for _, l := range s.keys[k].leases {
			if l.kind != disabled && !slices.Contains(holders, l) {
				holders = append(holders, l)
			}
		}
	}
	var out []lockcore.Holder
	for _, l := range holders {
		out = append(out, l.holder())
		if o.Now {
			why := "it was taken out of service by " + o.Owner.String()
			if o.Reason != "" {
				why += ": " + o.Reason
			}
			s.takeAway(l, why)
		}
	}
	for _, w := range s.queue {
		if slices.ContainsFunc(o.Keys, w.class.lists) {
			s.granted = append(s.granted, Granted{w.id, w.proc}) // to learn of it
		}
	}
	s.schedule(rnd)
	return out
}

// disable puts one key out of service, or changes the words if it is already.
func (s *State) disable(key string, o *lockcore.Outage) {
	l := s.leases[disabledID(key)]
	if l != nil && o.For > 0 {
		return // so a call that is repeated does not double anything
	}
	if l == nil {
		l = &lease{id: disabledID(key), kind: disabled, reqs: []lockcore.Requirement{{Need: 1}}, obtained: [][]string{{key}}, since: s.now}
		s.put(l)
		s.dropLapsed(key)
	}
	l.owner, l.reason, l.expires = o.Owner, o.Reason, never
	if o.For > 0 {
		l.expires = later(s.now, s.nextOutage(key, o.For))
	}
	s.noteLease(l)
	s.expiresAt(l.expires)
}

// Enable puts keys back into service, and returns which of them were not.
func (s *State) Enable(now int64, keys []string, rnd Rand) []lockcore.Holder {
	s.begin(now, rnd)
	var out []lockcore.Holder
	for _, k := range keys {
		if l := s.leases[disabledID(k)]; l != nil {
			out = append(out, l.holder())
			s.drop(l)
			s.forgetOutages(k)
		}
	}
	if len(out) > 0 {
		s.schedule(rnd)
	}
	return out
}

// isDisabled reports whether the key is out of service.
func (s *State) isDisabled(key string) bool {
	return s.outages > 0 && s.leases[disabledID(key)] != nil
}

// Disabled lists the keys out of service that the requirements list.
func (s *State) Disabled(reqs []lockcore.Requirement) []string {
	if s.outages == 0 {
		return nil
	}
	var out []string
	for i := range reqs {
		for _, c := range reqs[i].Candidates {
			if s.isDisabled(c.Key) && !slices.Contains(out, c.Key) {
				out = append(out, c.Key)
			}
		}
	}
	return out
}

// waitsForOutage reports whether the class cannot be served, whoever gives back
// what, before a key is enabled. Its waiters reserve nothing: an outage can last
// for days, and what they would keep aside could serve everybody else meanwhile.
func (p *pass) waitsForOutage(c *class) bool {
	if p.s.outages == 0 {
		return false
	}
	if c.outagePass != p.number {
		c.outagePass = p.number
		_, ok := lockcore.Match(c.reqs, func(r int, key string) int {
			if p.s.isDisabled(key) {
				return 0
			}
			return max(1, c.reqs[r].Seats)
		}, nil)
		c.outage = !ok
	}
	return c.outage
}
