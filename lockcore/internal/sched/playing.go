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
