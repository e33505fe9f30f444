package sched

import (
	"errors"
	"fmt"
	"slices"
)

// A store that keeps a large state in a file should not write all of it when a step
// changed one lease. So a state can note which of its records were changed since
// it was saved, and encode those alone; whoever has the state of before applies
// them and has the state of after, to the byte:
//
//	state of before + changes = state of after
//
// A record is a lease, a waiter and so on, whole: what is noted is that something
// of it has changed, and not what. Whatever changes a record has to call the note
// method of its kind; the random traces compare what that leads to at every step.

// changes lists the records that were changed, by id; some more than once.
type changes struct {
	leases, lapsed, waiters, used, troubles []string
	classes                                 []*class // that are new
	gone                                    bool
}

// NoteChanges begins to note what is changed, for [State.AppendChanges]: from the
// state as it is now.
func (s *State) NoteChanges() {
	if s.changes == nil {
		s.changes = new(changes)
	}
	for _, c := range s.changes.classes {
		c.isNew = false
	}
	*s.changes = changes{
		leases: s.changes.leases[:0], lapsed: s.changes.lapsed[:0], waiters: s.changes.waiters[:0],
		used: s.changes.used[:0], troubles: s.changes.troubles[:0], classes: s.changes.classes[:0],
	}
}

func (s *State) noteLease(l *lease) {
	if s.changes != nil {
		s.changes.leases = append(s.changes.leases, l.id)
	}
}

func (s *State) noteLapsed(id string) {
	if s.changes != nil {
		s.changes.lapsed = append(s.changes.lapsed, id)
	}
}

func (s *State) noteWaiter(w *waiter) {
	if s.changes != nil {
		s.changes.waiters = append(s.changes.waiters, w.id)
	}
}

func (s *State) noteClass(c *class) {
	if s.changes != nil {
		c.isNew = true
		s.changes.classes = append(s.changes.classes, c)
	}
}

func (s *State) noteUsed(key string) {
	if s.changes != nil {
		s.changes.used = append(s.changes.used, key)
	}
}

func (s *State) noteTrouble(key string) {
	if s.changes != nil {
		s.changes.troubles = append(s.changes.troubles, key)
	}
}

func (s *State) noteGone() {
	if s.changes != nil {
		s.changes.gone = true
	}
}

// A delta is what changes encode: the records that were changed, or that they are
// no more.
type delta struct {
	leases, lapsed []record[*lease]
	classes        []*classRecord
	waiters        []record[*waiter]
	used           []record[int64]
	troubles       []record[trouble]
	gone           []ended
	goneChanged    bool
}

type record[V any] struct {
	id    string
	there bool
	value V
}

// A classRecord is a class that changed waiters are of: whole if it is new, else
// named.
type classRecord struct {
	*class
	whole bool
}

// records looks up what became of those that were changed.
func records[V any](ids []string, m map[string]V) []record[V] {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var out []record[V]
	for _, id := range slices.Compact(ids) {
		v, there := m[id]
		out = append(out, record[V]{id, there, v})
	}
	return out
}

func codeRecords[V any](c *codec, p *[]record[V], each func(*V)) {
	list(c, p, func(r *record[V]) {
		c.str(&r.id)
		if c.bool(&r.there); r.there {
			each(&r.value)
		}
	})
}

// AppendChanges appends the encoding of what was changed since NoteChanges.
func (s *State) AppendChanges(buf []byte) []byte {
	ch := s.changes
	d := delta{
		leases: records(ch.leases, s.leases), lapsed: records(ch.lapsed, s.lapsed), waiters: records(ch.waiters, s.waiting),
		used: records(ch.used, s.used), troubles: records(ch.troubles, s.troubles), goneChanged: ch.gone,
	}
	if ch.gone {
		d.gone = s.gone
	}
	seen := make(map[*class]bool)
	for _, r := range d.waiters {
		if r.there && !seen[r.value.class] {
			seen[r.value.class] = true
			r.value.class.index = len(d.classes)
			d.classes = append(d.classes, &classRecord{r.value.class, r.value.class.isNew})
		}
	}
	c := codec{out: buf}
	s.codeChanges(&c, &d)
	return c.out
}

func (s *State) codeChanges(c *codec, d *delta) {
	if !c.version() {
		return
	}
	s.codeNumbers(c)
	codeRecords(c, &d.leases, c.lease)
	codeRecords(c, &d.lapsed, c.lease)
	var classes []*class
	list(c, &d.classes, func(p **classRecord) {
		if c.reading {
			*p = &classRecord{class: new(class)}
		}
		r := *p
		classes = append(classes, r.class)
		c.str(&r.sig)
		if c.bool(&r.whole); r.whole {
			list(c, &r.reqs, c.requirement)
		}
	})
	codeRecords(c, &d.waiters, func(p **waiter) { c.waiter(p, classes) })
	if c.bool(&d.goneChanged); d.goneChanged {
		list(c, &d.gone, c.ended)
	}
	codeRecords(c, &d.used, func(at *int64) { num(c, at) })
	codeRecords(c, &d.troubles, c.trouble)
}

// Apply makes the changes that AppendChanges encoded in the state that they were
// made in. After an error the state is of no use any more. Changes that were noted
// before are forgotten: the state counts as saved.
func (s *State) Apply(data []byte) error {
	c := codec{in: string(data), reading: true}
	s.init()
	var d delta
	s.codeChanges(&c, &d)
	switch {
	case c.err != nil:
		return c.err
	case len(c.in) != 0:
		return fmt.Errorf("%d bytes after the end of the changes", len(c.in))
	}
	s.applyLeases(d.leases)
	apply(s.lapsed, d.lapsed)
	if err := s.applyWaiters(d.waiters, d.classes); err != nil {
		return err
	}
	apply(s.used, d.used)
	apply(s.troubles, d.troubles)
	if d.goneChanged {
		s.gone = d.gone
	}
	if s.look != 0 {
		s.expiresAt(s.look)
	}
	s.NoteChanges()
	return nil
}

func apply[V any](m map[string]V, records []record[V]) {
	for _, r := range records {
		if delete(m, r.id); r.there {
			m[r.id] = r.value
		}
	}
}

func (s *State) applyLeases(records []record[*lease]) {
	for _, r := range records {
		if old := s.leases[r.id]; old != nil {
			s.vacate(old)
		}
		if r.there {
			s.occupy(r.value)
			s.expiresAt(r.value.expires)
			if r.value.provisional != 0 {
				s.expiresAt(r.value.provisional)
			}
		}
	}
	apply(s.leases, records)
}

var errNoClass = errors.New("a waiter of a class that nobody knows")

// applyWaiters takes out first and puts in afterwards, and forgets classes only at
// the end: that one waiter of a class left and another came leaves the class.
func (s *State) applyWaiters(records []record[*waiter], classes []*classRecord) error {
	if len(records) == 0 {
		return nil
	}
	var left []*class
	changed := make(map[*waiter]bool)
	for _, r := range records {
		if old := s.waiting[r.id]; old != nil {
			changed[old] = true
			old.class.waiters--
			left = append(left, old.class)
			s.forgetWaiter(old)
		}
	}
	s.queue = slices.DeleteFunc(s.queue, func(w *waiter) bool { return changed[w] })
	for _, c := range classes {
		if known := s.classes[c.sig]; known != nil {
			c.class = known
		} else if c.whole {
			c.class.need = needed(c.reqs)
			s.classes[c.sig] = c.class
		} else {
			return errNoClass
		}
	}
	for _, r := range records {
		if r.there {
			w := r.value
			w.class = s.classes[w.class.sig]
			w.class.waiters++
			s.line(w)
			s.expiresAt(w.expires)
		}
	}
	for _, c := range left {
		if c.waiters == 0 && s.classes[c.sig] == c {
			delete(s.classes, c.sig)
		}
	}
	return nil
}
