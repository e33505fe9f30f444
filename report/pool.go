package report

import "slices"

// A pool is one set of candidates, whoever asks for it and for how many of
// them, with what is known about its use right now. Pools may share keys.
type pool struct {
	hash    string
	count   int             // of the candidates
	members map[string]bool // those known by name
	rivals  []*pool         // pools that share a key with this one, itself included
	active  []*demand       // demands with waiters that ask for it

	busy      int        // members that somebody holds
	exclusive int        // of these, those that are not just shared
	whole     int        // of these, those that are not held by the seat
	seats     int        // units held by the seat
	holders   []presence // who holds how many, in the order of their labels
}

// A presence is how many units of a pool somebody holds.
type presence struct {
	label     labelID
	cause     causeID
	n, shared int
}

// A use is one holder's grip on one key.
type use struct {
	label  labelID
	cause  causeID // poolFull, kept
	shared bool
	seats  int // seats of the key as the holder sees it; 0 unless held by the seat
	hold   *hold
}

// A slot is the state of one key.
type slot struct {
	key   string
	uses  []use
	pools []*pool
	res   *resource
}

// addSlot adds what a key contributes to a pool, or takes it away if sign is -1.
func (p *pool) addSlot(s *slot, sign int) {
	if len(s.uses) == 0 {
		return
	}
	exclusive, whole, seats := false, false, 0
	for i := range s.uses {
		u := &s.uses[i]
		exclusive = exclusive || !u.shared
		if u.seats == 0 {
			whole = true
		} else {
			seats++
		}
		p.present(u, sign)
	}
	p.busy += sign
	if exclusive {
		p.exclusive += sign
	}
	if whole {
		p.whole += sign
	} else {
		p.seats += sign * seats
	}
}

func (p *pool) present(u *use, sign int) {
	i, ok := slices.BinarySearchFunc(p.holders, u, func(h presence, u *use) int {
		if h.label != u.label {
			return int(int64(h.label) - int64(u.label))
		}
		return int(h.cause) - int(u.cause)
	})
	if !ok {
		p.holders = slices.Insert(p.holders, i, presence{label: u.label, cause: u.cause})
	}
	h := &p.holders[i]
	h.n += sign
	if u.shared {
		h.shared += sign
	}
	if h.n == 0 {
		p.holders = slices.Delete(p.holders, i, i+1)
	}
}

// free is how many units a requirement could take right now, as far as events
// tell.
func (p *pool) free(r *want) int {
	switch {
	case r.shared:
		return p.count - p.exclusive
	case r.seats > 0:
		return (p.count-p.whole)*r.seats - p.seats
	}
	return p.count - p.busy
}

// A want is one requirement of a demand.
type want struct {
	pool   *pool
	name   int32 // of the named pool
	need   int
	shared bool
	seats  int
}

// compatible reports whether two requirements can be met by the same key at
// the same time.
func (w *want) compatible(o *want) bool {
	return w.shared && o.shared || w.seats > 0 && o.seats > 0
}
