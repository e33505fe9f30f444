package quorumstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// info is what servers keep about a lease for people to read, as JSON. The scripts do
// not read it.
type info struct {
	Owner    lockcore.Owner         `json:"owner"`
	Reqs     []lockcore.Requirement `json:"reqs"`   // without candidates
	Counts   []int                  `json:"counts"` // of keys, by requirement
	Expect   time.Duration          `json:"expect,omitempty"`
	Reason   string                 `json:"reason,omitempty"`
	Parents  []string               `json:"parents,omitempty"`
	TTLNanos time.Duration          `json:"ttl"`
}

func infoOf(t *lockcore.Ticket, obtained [][]string) string {
	in := info{Owner: t.Owner, Expect: t.Expect, Reason: t.Reason, Parents: t.Parents, TTLNanos: t.TTL}
	for r := range t.Requirements {
		heading := t.Requirements[r]
		heading.Candidates = nil
		in.Reqs = append(in.Reqs, heading)
	}
	for _, keys := range obtained {
		in.Counts = append(in.Counts, len(keys))
	}
	text, err := json.Marshal(in)
	if err != nil {
		panic(err) // there is nothing in it that JSON cannot say
	}
	return string(text)
}

// ownerIn is the holder of a lease, as far as its info can be read.
func ownerIn(text string) lockcore.Owner {
	var in info
	_ = json.Unmarshal([]byte(text), &in) // an owner without a name is better than no message
	return in.Owner
}

// byRequirement puts the keys of a lease back under their requirements.
func byRequirement(units []unit, counts []int) [][]string {
	obtained := make([][]string, len(counts))
	for r, n := range counts {
		for ; n > 0 && len(units) > 0; n-- {
			obtained[r] = append(obtained[r], units[0].name)
			units = units[1:]
		}
	}
	return obtained
}

// The replies of scripts.

var errReply = errors.New("quorumstore: a server replied with something that no script of this version returns")

func badReply(v any) error { return fmt.Errorf("%w: %v", errReply, v) }

// fields are the elements of an array reply.
type fields []any

func asFields(v any) (fields, error) {
	f, ok := v.([]any)
	if !ok {
		return nil, badReply(v)
	}
	return f, nil
}

// text is element i, or "".
func (f fields) text(i int) string {
	if i >= len(f) {
		return ""
	}
	s, _ := f[i].(string)
	return s
}

// sub is element i as an array, or nil.
func (f fields) sub(i int) fields {
	if i >= len(f) {
		return nil
	}
	s, _ := f[i].([]any)
	return s
}
