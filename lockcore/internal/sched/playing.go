package sched

// What a forecast knows of its line beyond what a State does makes passes cheaper. The
// decisions are the same.
type playing struct {
	listed map[string]bool // all keys that waiters list
	open   int             // how many of them are open
}

// noteTurn counts the keys that waiters list and that are open.
func (f *playing) noteTurn(key string, open bool) {
	switch {
	case f == nil || !f.listed[key]:
	case open:
		f.open++
	default:
		f.open--
	}
}

// nothingLeft reports whether nobody further back can get or reserve anything: all
// that is open is reserved exclusively.
func (p *pass) nothingLeft() bool {
	return p.s.playing != nil && p.closed == p.s.playing.open
}

// tooLate reports whether whoever is expected back at the moment is back after the
// last of the moments that anybody has to be back at. A state that is not played cannot
// ask: to find out sets when it is to be looked at next.
func (p *pass) tooLate(back int64) bool {
	if p.s.playing == nil {
		return false
	}
	for ; p.latest.claims < len(p.claims); p.latest.claims++ {
		if b := p.bound(p.claims[p.latest.claims].w); p.latest.claims == 0 || b > p.latest.at {
			p.latest.at = b
		}
	}
	return back >= p.latest.at
}

// A latest is the latest bound of the first so many claims.
type latest struct {
	claims int
	at     int64
}
