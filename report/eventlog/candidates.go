package eventlog

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

const (
	candidatesMax = 32     // longer lists are written once, in a Pool event, then by hash
	poolMax       = 20_000 // keys of a Pool event, about a megabyte; longer lists are not written at all
	blockersMax   = 32     // blockers of one event
)

// CandidateHash identifies a set of candidates, in any order: the same set gives the
// same hash.
func CandidateHash(keys []string) string {
	sorted := slices.Sorted(slices.Values(keys))
	h := sha256.New()
	for _, k := range sorted {
		h.Write([]byte(k))
		h.Write([]byte{0}) // no key holds it in practice; keeps "a","bc" from "ab","c"
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// shorten replaces long lists in e, on copies, and returns the Pool event that
// must precede it, or one without a kind. A process that asks for one of 10,000
// boards a thousand times would otherwise write the list a thousand times.
func (w *Writer) shorten(e *Event) Event {
	if n := len(e.Blockers); n > blockersMax {
		e.Blockers = e.Blockers[:blockersMax]
		e.BlockersMore += n - blockersMax
	}
	if e.Ev == Pool {
		return Event{}
	}
	var known []Requirement
	copied := false
	for i, r := range e.Reqs {
		if len(r.Candidates) <= candidatesMax {
			continue
		}
		if !copied {
			e.Reqs = slices.Clone(e.Reqs)
			copied = true
		}
		r.Count, r.Hash = len(r.Candidates), CandidateHash(r.Candidates)
		if !w.pools[r.Hash] && r.Count <= poolMax {
			w.pools[r.Hash] = true
			known = append(known, Requirement{Name: r.Name, Candidates: r.Candidates, Count: r.Count, Hash: r.Hash, Tags: r.Tags, Seats: r.Seats})
		}
		r.Candidates = nil
		e.Reqs[i] = r
	}
	if known == nil {
		return Event{}
	}
	// It has the sequence number of the event that needs it: numbering it
	// properly would mean encoding on the caller's path.
	return Event{V: Version, Ev: Pool, Seq: e.Seq, TS: e.TS, MonoMS: e.MonoMS, Run: e.Run, Host: e.Host, PID: e.PID, Reqs: known}
}
