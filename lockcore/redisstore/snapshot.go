package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Snapshot implements [lockcore.Store]. With interop it lists the locks of
// other programs too, which it looks for in the whole database.
func (s *Store) Snapshot(ctx context.Context) (lockcore.Snapshot, error) {
	v, err := s.run(ctx, s.scripts.snapshot)
	if err != nil {
		return lockcore.Snapshot{}, err
	}
	parts := list(v)
	if len(parts) != 7 {
		return lockcore.Snapshot{}, fmt.Errorf("%s: the script answered with %d parts, want 7", s, len(parts))
	}
	snap := lockcore.Snapshot{Time: moment(text(parts[0])), Usual: time.Duration(number(text(parts[6]))) * time.Microsecond}
	classes := classesOf(list(parts[2]), list(parts[3]))
	reserved := make(map[string][]string)
	for p := range slices.Chunk(list(parts[4]), 2) {
		id := text(p[0])
		reserved[id] = append(reserved[id], unescape(text(p[1])))
	}
	var ranks []ranked
	for p := range slices.Chunk(list(parts[1]), 4) {
		id, record, due := text(p[0]), text(p[1]), text(p[2])
		if strings.HasPrefix(record, "L ") {
			snap.Holders = append(snap.Holders, decodeHolder(id, record, due))
		} else {
			w, c := decodeWaiter(id, record, due)
			w.Requirements = named(classes[c], w.names)
			w.Reserved = reserved[id]
			w.Expect = time.Duration(number(text(p[3]))) * time.Microsecond
			ranks = append(ranks, w)
		}
	}
	slices.SortFunc(snap.Holders, func(a, b lockcore.Holder) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Token, b.Token))
	})
	slices.SortFunc(ranks, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.seq, b.seq)) })
	for _, w := range ranks {
		snap.Waiters = append(snap.Waiters, w.Waiter)
	}
	for p := range slices.Chunk(list(parts[5]), 2) {
		if snap.Endings == nil {
			snap.Endings = make(map[string]lockcore.Ending)
		}
		snap.Endings[unescape(text(p[0]))] = lockcore.Ending(number(text(p[1])))
	}
	if s.opts.Interop != "" {
		foreign, err := s.foreign(ctx, snap)
		if err != nil {
			return lockcore.Snapshot{}, err
		}
		snap.Holders = append(snap.Holders, foreign...)
	}
	return snap, nil
}

// classesOf decodes the requirements of every class; waiters and classes share
// the lists of candidates.
func classesOf(classes, pools []any) map[string][]lockcore.Requirement {
	lists := make(map[string][]lockcore.Candidate)
	for p := range slices.Chunk(pools, 2) {
		keys := splitKeys(text(p[1]))
		cands := make([]lockcore.Candidate, len(keys))
		for i, k := range keys {
			cands[i].Key = k
		}
		lists[text(p[0])] = cands
	}
	out := make(map[string][]lockcore.Requirement)
	for c := range slices.Chunk(classes, 2) {
		for part := range strings.SplitSeq(text(c[1]), "|") {
			f := strings.Fields(part) // mode need choice pool
			if len(f) != 4 {
				continue
			}
			r := lockcore.Requirement{Need: int(number(f[1])), Choice: choice(f[2]), Candidates: lists[f[3]]}
			setMode(&r, f[0])
			out[text(c[0])] = append(out[text(c[0])], r)
		}
	}
	return out
}

// named gives requirements the names that this waiter has for them.
func named(reqs []lockcore.Requirement, names []string) []lockcore.Requirement {
	if len(names) != len(reqs) {
		return reqs
	}
	out := slices.Clone(reqs)
	for i := range out {
		out[i].Name = names[i]
	}
	return out
}

// states are those of the records, as people read them.
var states = map[string]string{stateHeld: "held", stateGranted: "granted", stateKept: "kept", stateReserved: "reserved", stateDisabled: "disabled", stateSetAside: "kept"}

// decodeHolder reads "L state token since ttl delay", parents, what it got, what
// was learned of its length, and info (records.lua).
func decodeHolder(id, record, due string) lockcore.Holder {
	lines := strings.SplitN(record, "\n", 5)
	for len(lines) < 5 {
		lines = append(lines, "")
	}
	f := append(strings.Fields(lines[0]), "", "", "", "", "")
	in := decodeInfo(lines[4])
	h := lockcore.Holder{
		ID: decodeID(id), Owner: in.Owner, Token: uint64(number(f[2])), Since: moment(f[3]), Expires: moment(due),
		Expect: in.Expect, Reason: in.Reason, Parents: decodeIDs(lines[1]), State: states[f[1]],
	}
	if h.Expect == 0 {
		h.Expect = learned(lines[3], h.Since)
	}
	if f[1] == stateSetAside {
		h.Reason = "lock delay after its lease expired"
	}
	if f[1] == stateDisabled {
		h.Token, h.Expect = 0, 0
		if number(due) >= forEver {
			h.Expires = time.Time{}
		}
	}
	h.Obtained, h.Requirements = decodeGot(lines[2])
	for i := range h.Requirements {
		h.Requirements[i].Name = in.name(i)
	}
	return h
}

type ranked struct {
	lockcore.Waiter
	names     []string
	rank, seq int64
}

// decodeWaiter reads "W class seq rank since revision ttl priority delay
// channel fence delayed", parents, and info.
func decodeWaiter(id, record, due string) (w ranked, class string) {
	lines := strings.SplitN(record, "\n", 3)
	for len(lines) < 3 {
		lines = append(lines, "")
	}
	f := append(strings.Fields(lines[0]), "", "", "", "", "", "", "", "", "", "")
	in := decodeInfo(lines[2])
	w = ranked{names: in.Names, rank: number(f[3]), seq: number(f[2])}
	w.Waiter = lockcore.Waiter{
		ID: decodeID(id), Owner: in.Owner, Priority: int(number(f[7])), Since: moment(f[4]), Expires: moment(due),
		Reason: in.Reason, Parents: decodeIDs(lines[1]), For: in.For,
	}
	return w, f[1]
}

// Free implements [lockcore.Store].
func (s *Store) Free(ctx context.Context, key, why string) ([]lockcore.Holder, error) {
	v, err := s.run(ctx, s.scripts.free, escape(key), why, rand.Text())
	if err != nil {
		return nil, err
	}
	freed := holders(v, key)
	if freed == nil {
		return nil, fmt.Errorf("%s: %q: %w", s, key, lockcore.ErrNotHeld)
	}
	return freed, nil
}

// holders reads id, record and deadline of each; without a record, it is another
// program that has the key.
func holders(v any, key string) (out []lockcore.Holder) {
	for p := range slices.Chunk(list(v), 3) {
		id, record, due := text(p[0]), text(p[1]), text(p[2])
		if record == "" {
			out = append(out, foreignHolder(key, id, time.Time{}))
		} else {
			out = append(out, decodeHolder(id, record, due))
		}
	}
	return out
}
