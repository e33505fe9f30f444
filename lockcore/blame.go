package lockcore

import (
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// holding is how a lease occupies one key.
type holding struct {
	holder *Holder
	mode   modes.Mode
}

// index lists the holdings of every key.
func (s *Snapshot) index() map[string][]holding {
	idx := make(map[string][]holding)
	for i := range s.Holders {
		h := &s.Holders[i]
		for r, keys := range h.Obtained {
			var req Requirement
			if r < len(h.Requirements) {
				req = h.Requirements[r]
			}
			for _, k := range keys {
				idx[k] = append(idx[k], holding{h, req.mode()})
			}
		}
	}
	return idx
}

// freeUnits is how many units of a key the requirement could take beside the
// holdings.
func freeUnits(r *Requirement, held []holding) int {
	var u modes.Units
	for _, h := range held {
		u.Add(h.mode)
	}
	return u.Free(r.mode())
}

// Blockers says why a request waits: its place among the waiters that want a
// resource it wants, and who holds or claims what it lacks. A waiter that is
// not in the snapshot counts as the last.
func (s *Snapshot) Blockers(w *Waiter) (position int, blockers []Blocker) {
	earlier := s.Waiters
	if i := slices.IndexFunc(s.Waiters, func(o Waiter) bool { return o.ID == w.ID }); i >= 0 {
		earlier = s.Waiters[:i]
	}
	modes := make(map[string]bool) // key -> only shared access is wanted
	for _, r := range w.Requirements {
		for _, c := range r.Candidates {
			shared, seen := modes[c.Key]
			modes[c.Key] = r.Shared && (shared || !seen)
		}
	}
	position = 1
	claims := make(map[string]*Waiter)
	var rivals []Blocker
	for i := range earlier {
		o := &earlier[i]
		key, rival := rivalOf(o, modes)
		if !rival {
			continue
		}
		position++
		rivals = append(rivals, waiting(key, o))
		for _, k := range o.Reserved {
			if claims[k] == nil {
				claims[k] = o
			}
		}
	}
	return position, s.inTheWay(w, claims, rivals)
}

// rivalOf finds a key that the waiter wants too, in a way that excludes the
// other.
func rivalOf(o *Waiter, modes map[string]bool) (key string, ok bool) {
	for i := range o.Requirements {
		r := &o.Requirements[i]
		for _, c := range r.Candidates {
			if shared, wanted := modes[c.Key]; wanted && !(shared && r.Shared) {
				return c.Key, true
			}
		}
	}
	return "", false
}

// inTheWay lists the blockers of the requirements that cannot be met now;
// when each could be met alone but not all together, those of all.
func (s *Snapshot) inTheWay(w *Waiter, claims map[string]*Waiter, rivals []Blocker) []Blocker {
	held := s.index()
	var lacking []*Requirement
	for i := range w.Requirements {
		r := &w.Requirements[i]
		n := 0
		for _, c := range r.Candidates {
			if claims[c.Key] == nil {
				n += freeUnits(r, held[c.Key])
			}
		}
		if n < r.Units() {
			lacking = append(lacking, r)
		}
	}
	if len(lacking) == 0 {
		for i := range w.Requirements {
			lacking = append(lacking, &w.Requirements[i])
		}
	}
	// Whoever has a seat is in the way of a request that lacks seats, also where some are
	// left of that resource.
	_, enough := Match(w.Requirements, func(r int, key string) int {
		if claims[key] != nil {
			return 0
		}
		return freeUnits(&w.Requirements[r], held[key])
	}, nil)
	var holders, waiters, disabled []Blocker
	type pair struct{ key, id string }
	seen := make(map[pair]bool)
	for _, r := range lacking {
		for _, c := range r.Candidates {
			if freeUnits(r, held[c.Key]) == 0 || r.Seats > 0 && !enough {
				for _, h := range held[c.Key] {
					if p := (pair{c.Key, h.holder.ID}); !seen[p] {
						seen[p] = true
						if b := blocker(c.Key, h.holder); b.State == "disabled" {
							disabled = append(disabled, b)
						} else {
							holders = append(holders, b)
						}
					}
				}
			}
			if o := claims[c.Key]; o != nil && !seen[pair{c.Key, o.ID}] {
				seen[pair{c.Key, o.ID}] = true
				waiters = append(waiters, waiting(c.Key, o))
			}
		}
	}
	if len(holders)+len(waiters)+len(disabled) == 0 {
		// Nothing stands in the way at this moment but the order of the line.
		waiters = rivals
	}
	slices.SortStableFunc(holders, func(a, b Blocker) int { return a.Since.Compare(b.Since) })
	return slices.Concat(holders, waiters, disabled) // who waits for a key that is out of service waits for the others first
}

func waiting(key string, o *Waiter) Blocker {
	return Blocker{Key: key, ID: o.ID, Holder: o.Owner, State: "waiting", Since: o.Since, Expires: o.Expires, Reason: o.Reason}
}

// Deadlock returns an error that wraps ErrDeadlock when the waiter can never be served
// because everybody it waits for waits, in the end, for it. Of the waiters in such a
// circle only the one that came last gets the error. When it gives up, the others can go
// on.
//
// Waiters are taken to be stuck until it is shown that they are not: one is not
// when its requirements could be met from keys that no stuck waiter sits on.
// What is left at the fixed point is stuck for good, however the store chooses.
func (s *Snapshot) Deadlock(id string) error {
	g := waitGraph{s: s, held: s.index()}
	g.reduce()
	me := slices.IndexFunc(s.Waiters, func(w Waiter) bool { return w.ID == id })
	if me < 0 || !g.stuck[me] {
		return nil
	}
	circle := g.circle(me)
	if circle == nil {
		return nil // stuck behind a circle that others will break
	}
	for w := range s.Waiters {
		if w != me && g.stuck[w] && later(&s.Waiters[w], &s.Waiters[me]) && g.path(me, w) != nil && g.path(w, me) != nil {
			return nil
		}
	}
	return &deadlockError{circle}
}

func later(a, b *Waiter) bool {
	if c := a.Since.Compare(b.Since); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}

type waitGraph struct {
	s     *Snapshot
	held  map[string][]holding
	stuck []bool
}

func (g *waitGraph) reduce() {
	g.stuck = make([]bool, len(g.s.Waiters))
	for w := range g.stuck {
		g.stuck[w] = true
	}
	for changed := true; changed; {
		changed = false
		pinned := make(map[string]bool)
		for w, st := range g.stuck {
			if st {
				for _, p := range g.s.Waiters[w].Parents {
					pinned[p] = true
				}
			}
		}
		for w, st := range g.stuck {
			if !st {
				continue
			}
			reqs := g.s.Waiters[w].Requirements
			_, ok := Match(reqs, func(r int, key string) int {
				var stay []holding
				for _, h := range g.held[key] {
					if pinned[h.holder.ID] {
						stay = append(stay, h)
					}
				}
				return freeUnits(&reqs[r], stay)
			}, nil)
			if ok {
				g.stuck[w] = false
				changed = true
			}
		}
	}
}

// link is one step of a circle: the waiter wants the key, which the lease of
// the next waiter holds.
type link struct {
	waiter *Waiter
	key    string
	holder *Holder
}

// next lists the steps that lead on from a stuck waiter.
func (g *waitGraph) next(w int) (links []link, to []int) {
	for i := range g.s.Waiters[w].Requirements {
		r := &g.s.Waiters[w].Requirements[i]
		for _, c := range r.Candidates {
			for _, h := range g.held[c.Key] {
				if freeUnits(r, []holding{h}) > 0 && r.Seats == 0 {
					continue
				}
				for o := range g.s.Waiters {
					if g.stuck[o] && slices.Contains(g.s.Waiters[o].Parents, h.holder.ID) {
						links = append(links, link{&g.s.Waiters[w], c.Key, h.holder})
						to = append(to, o)
					}
				}
			}
		}
	}
	return links, to
}

// circle is a shortest way from a waiter back to it. One that holds some of what it lacks,
// such as seats, is a circle of its own only if there is no other: of three who have a seat
// each and want two more, none is told that it waits for itself.
func (g *waitGraph) circle(me int) []link {
	if c := g.search(me, me, false); c != nil {
		return c
	}
	return g.path(me, me)
}

// path is a shortest non-empty way between two stuck waiters, or nil.
func (g *waitGraph) path(from, dest int) []link { return g.search(from, dest, true) }

// search is path, with or without steps from a waiter to itself.
func (g *waitGraph) search(from, dest int, own bool) []link {
	type step struct {
		at   int
		prev *step
		link link
	}
	queue := []*step{{at: from}}
	seen := make(map[int]bool)
	for len(queue) > 0 {
		st := queue[0]
		queue = queue[1:]
		links, to := g.next(st.at)
		for i, o := range to {
			if o == st.at && !own {
				continue
			}
			n := &step{at: o, prev: st, link: links[i]}
			if o == dest {
				var way []link
				for ; n.prev != nil; n = n.prev {
					way = append(way, n.link)
				}
				slices.Reverse(way)
				return way
			}
			if !seen[o] {
				seen[o] = true
				queue = append(queue, n)
			}
		}
	}
	return nil
}

type deadlockError struct{ circle []link }

func (e *deadlockError) Unwrap() error { return ErrDeadlock }

func (e *deadlockError) Error() string {
	var b strings.Builder
	b.WriteString(ErrDeadlock.Error() + ": ")
	for i, l := range e.circle {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.waiter.Owner.String() + " waits for " + quote(l.key) + ", held by " + l.holder.Owner.String())
	}
	b.WriteString(". Acquire everything in one request, or always in the same order")
	return b.String()
}
