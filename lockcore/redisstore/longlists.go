package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A long list of candidates is not sent with every request: ten thousand of them
// would cost a hundred times what a grant costs. A few are tried first, drawn at
// random. Only if they do not do, the list is registered on the server, which
// from then on knows what of it is free, and requests name it. While a list
// proves to be nearly used up, the attempt with a few is left out.

const (
	longList   = 64 // candidates, from where on a list is long
	sampleSize = 64
	tightFor   = 16 // requests that name the list after a sample has failed
	listsKept  = 32
)

// longLists remembers what is known about long lists: their names, which cost a
// hash over everything, and whether a sample is worth trying.
type longLists struct {
	mu    sync.Mutex
	lists map[identity]*longEntry
	order []identity // oldest first
}

// identity is a guess that a slice is the one that was seen before; its keys
// are compared all the same.
type identity struct {
	first *lockcore.Candidate
	n     int
}

type longEntry struct {
	name  string // once it was needed
	keys  []string
	tight int // requests left that name the list at once
}

func identityOf(cands []lockcore.Candidate) identity { return identity{&cands[0], len(cands)} }

func (l *longLists) entry(cands []lockcore.Candidate) *longEntry {
	id := identityOf(cands)
	e := l.lists[id]
	if e == nil {
		if len(l.order) >= listsKept {
			delete(l.lists, l.order[0])
			l.order = append(l.order[:0], l.order[1:]...)
		}
		if l.lists == nil {
			l.lists = make(map[identity]*longEntry)
		}
		e = new(longEntry)
		l.lists[id] = e
		l.order = append(l.order, id)
	}
	return e
}

// name is the SHA-1 of the encoded list, as the scripts compute it.
func (l *longLists) name(cands []lockcore.Candidate) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(cands)
	if e.name == "" || !e.same(cands) {
		sum := sha1.Sum(appendKeys(nil, cands))
		e.name = hex.EncodeToString(sum[:])
		e.keys = make([]string, len(cands))
		for i := range cands {
			e.keys[i] = cands[i].Key
		}
	}
	return e.name
}

// same compares with what the name was made of. Strings that are the same in
// memory are equal at a glance, so this is cheap.
func (e *longEntry) same(cands []lockcore.Candidate) bool {
	for i := range cands {
		if cands[i].Key != e.keys[i] {
			return false
		}
	}
	return true
}

// worthSampling reports whether to try a few of the candidates, and counts down
// the requests that do not.
func (l *longLists) worthSampling(cands []lockcore.Candidate) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.lists[identityOf(cands)]
	if e == nil || e.tight == 0 {
		return true
	}
	e.tight--
	return false
}

func (l *longLists) tighten(cands []lockcore.Candidate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(cands).tight = tightFor
}

// A query is a ticket on its way to the server.
type query struct {
	store  *Store
	ticket *lockcore.Ticket
	id     string // encoded
	long   bool   // some list is
}

func (s *Store) query(t *lockcore.Ticket) *query {
	q := &query{store: s, ticket: t, id: encodeID(t.ID)}
	for i := range t.Requirements {
		q.long = q.long || len(t.Requirements[i].Candidates) > longList
	}
	return q
}

// wants is what a query asks for, as the ask script reads it.
type wants struct {
	heads []byte // of the requirements
	args  []any  // of the script; the last ones are the candidates, but for those of lists that are named
}

// fixedArgs is how many arguments come before the candidates.
const fixedArgs = 5

func (w *wants) add(r *lockcore.Requirement, cands []lockcore.Candidate) {
	w.heads = appendHeading(w.heads, r, strconv.Itoa(len(cands)), len(cands))
	for i := range cands {
		w.args = append(w.args, keyArg(&cands[i].Key))
	}
}

// keyArg is a key as an argument of a command. A pointer saves the allocation
// that putting a string into an interface takes.
func keyArg(key *string) any {
	for i := range len(*key) {
		if special((*key)[i]) {
			return escape(*key)
		}
	}
	return key
}

// full names the long lists.
func (q *query) full() *wants {
	w := &wants{args: make([]any, fixedArgs, 16)}
	for i := range q.ticket.Requirements {
		r := &q.ticket.Requirements[i]
		if len(r.Candidates) > longList {
			w.heads = appendHeading(w.heads, r, "@"+q.store.long.name(r.Candidates), 0)
		} else {
			w.add(r, r.Candidates)
		}
	}
	return w
}

// sampled has a few candidates of each long list. It is nil if there is no long
// list, or if a few cannot stand for all of one.
func (q *query) sampled() *wants {
	if !q.long {
		return nil
	}
	for i := range q.ticket.Requirements {
		r := &q.ticket.Requirements[i]
		if len(r.Candidates) > longList && (r.Choice == lockcore.LeastRecentlyUsed || r.Units() > sampleSize/4 || !q.store.long.worthSampling(r.Candidates)) {
			return nil
		}
	}
	w := &wants{args: make([]any, fixedArgs, fixedArgs+2*sampleSize)}
	for i := range q.ticket.Requirements {
		r := &q.ticket.Requirements[i]
		if len(r.Candidates) > longList {
			w.add(r, sample(r.Candidates, r.Choice))
		} else {
			w.add(r, r.Candidates)
		}
	}
	return w
}

// args are those of the ask script.
func (q *query) args(w *wants, wait bool) []any {
	t := q.ticket
	lease := make([]byte, 0, 96)
	lease = strconv.AppendInt(lease, micros(t.TTL), 10)
	lease = append(lease, ' ')
	lease = strconv.AppendInt(lease, micros(q.store.opts.LockDelay), 10)
	lease = append(lease, '\n')
	lease = append(lease, encodeIDs(t.Parents)...)

	how := make([]byte, 0, 128)
	how = append(how, howTry[0], policyBackfill[0], ' ')
	if wait {
		how[0] = howWait[0]
	}
	if q.store.opts.Policy == lockcore.FIFO {
		how[1] = policyFIFO[0]
	}
	for _, n := range [...]int64{micros(t.Waited), int64(t.Priority), int64(t.Revision)} {
		how = append(strconv.AppendInt(how, n, 10), ' ')
	}
	how = append(how, q.store.hub.channel...)
	w.args[0], w.args[1], w.args[2], w.args[3], w.args[4] = q.id, w.heads, lease, infoOf(t), how
	return w.args
}

// missed notes that the sample did not do.
func (q *query) missed() {
	for i := range q.ticket.Requirements {
		if c := q.ticket.Requirements[i].Candidates; len(c) > longList {
			q.store.long.tighten(c)
		}
	}
}

// sample draws a few candidates. Under InOrder the first ones stand
// for all: if they do, so would the whole list.
func sample(cands []lockcore.Candidate, choice lockcore.Choice) []lockcore.Candidate {
	if choice == lockcore.InOrder {
		return cands[:sampleSize]
	}
	at, stride := sched.Stride(len(cands), rand.IntN)
	few := make([]lockcore.Candidate, sampleSize)
	for i := range few {
		few[i] = cands[at]
		at = (at + stride) % len(cands)
	}
	return few
}

// register sends the server the lists that it did not know by name.
func (s *Store) register(ctx context.Context, q *query, names []any) error {
	for _, name := range names {
		for i := range q.ticket.Requirements {
			c := q.ticket.Requirements[i].Candidates
			if len(c) <= longList || s.long.name(c) != text(name) {
				continue
			}
			if _, err := s.run(ctx, s.scripts.list, text(name), appendKeys(nil, c)); err != nil {
				return err
			}
			break
		}
	}
	return nil
}
