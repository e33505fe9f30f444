package redisstore

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// The records in Redis are words with blanks between them, so the bytes that
// separate them are escaped in keys and ids; most have none.
//
// JSON would do it too, but not every key is UTF-8, and the scripts would spend
// more time on it than on everything else.

const hexDigits = "0123456789ABCDEF"

func special(b byte) bool {
	return b <= ' ' || b == '%' || b == '|' || b == '!' || b == '#' || b == 0x7f
}

func escape(s string) string {
	i := 0
	for i < len(s) && !special(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	return string(appendEscaped(nil, s))
}

func appendEscaped(buf []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		if b := s[i]; special(b) {
			buf = append(buf, s[start:i]...)
			buf = append(buf, '%', hexDigits[b>>4], hexDigits[b&15])
			start = i + 1
		}
	}
	return append(buf, s[start:]...)
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// info is what the scripts pass on as it is, but for its first line: how long the
// lease is said to be held, in microseconds, 0 if nothing is said, and the name
// under which it is remembered how long it was (history.lua). The rest is what
// only people read of a lease or a ticket.
type info struct {
	Owner  lockcore.Owner `json:"o"`
	Reason string         `json:"r,omitempty"`
	Names  []string       `json:"n,omitempty"` // of the requirements, if any has one
	Expect time.Duration  `json:"-"`
	For    time.Duration  `json:"-"` // of a reservation
}

// infoOf encodes it. What stands in the first line is not said twice.
func infoOf(t *lockcore.Ticket) []byte {
	in := info{Owner: t.Owner, Reason: t.Reason}
	said := micros(t.Expect)
	if t.Expect > 0 {
		said = max(1, said)
	}
	if t.For > 0 {
		said = max(1, micros(t.For))
	}
	head := strconv.AppendInt(make([]byte, 0, 512), said, 10)
	if t.For > 0 {
		head = append(head, '!')
	}
	head = append(head, ' ')
	if t.Owner.Test != "" {
		head = appendHistoryName(head, t)
		in.Owner.Test, in.Owner.Package = "", ""
	} else if slices.ContainsFunc(t.Requirements, func(r lockcore.Requirement) bool { return r.Name != "" }) {
		for i := range t.Requirements {
			in.Names = append(in.Names, t.Requirements[i].Name)
		}
	}
	data, err := json.Marshal(in)
	if err != nil {
		data = []byte("{}") // unreachable: it has only strings and numbers
	}
	return append(append(head, '\n'), data...)
}

// appendHistoryName writes what tells the holds of one test from those of
// another: package, test, and the names of the requirements.
func appendHistoryName(buf []byte, t *lockcore.Ticket) []byte {
	buf = appendEscaped(buf, t.Owner.Package)
	buf = append(buf, ' ')
	buf = appendEscaped(buf, t.Owner.Test)
	for i := range t.Requirements {
		buf = append(buf, ' ')
		buf = appendEscaped(buf, t.Requirements[i].Name)
	}
	return buf
}

func decodeInfo(s string) (in info) {
	head, data, _ := strings.Cut(s, "\n")
	_ = json.Unmarshal([]byte(data), &in) // another version's record is shown without details
	said, name, _ := strings.Cut(head, " ")
	said, reservation := strings.CutSuffix(said, "!")
	in.Expect = time.Duration(number(said)) * time.Microsecond
	if reservation {
		in.For = in.Expect
	}
	if parts := strings.Split(name, " "); len(parts) > 1 {
		for i := range parts {
			parts[i] = unescape(parts[i])
		}
		in.Owner.Package, in.Owner.Test, in.Names = parts[0], parts[1], parts[2:]
	}
	return in
}

func (in *info) name(i int) string {
	if i < len(in.Names) {
		return in.Names[i]
	}
	return ""
}

// mode is how a requirement takes its keys, as the scripts write it.
func mode(r *lockcore.Requirement) string {
	return modes.Mode{Shared: r.Shared, Seats: r.Seats}.String()
}

// commonMode is the mode of all requirements of a grant, or empty if they differ
// or are by the seat.
func commonMode(g *lockcore.Grant) string {
	reqs := g.Ticket.Requirements
	if len(reqs) == 0 || reqs[0].Seats > 0 {
		return ""
	}
	for i := range reqs {
		if reqs[i].Seats > 0 || reqs[i].Shared != reqs[0].Shared {
			return ""
		}
	}
	return mode(&reqs[0])
}

func setMode(r *lockcore.Requirement, mode string) {
	m, _ := modes.Parse(mode)
	r.Shared, r.Seats = m.Shared, m.Seats
}

var choices = map[lockcore.Choice]string{lockcore.Random: choiceRandom, lockcore.InOrder: choiceInOrder, lockcore.LeastRecentlyUsed: choiceLeastUse}

func choice(letter string) lockcore.Choice {
	for c, l := range choices {
		if l == letter {
			return c
		}
	}
	return lockcore.Random
}

// appendHeading writes a requirement as the ask script reads it, but for its
// candidates: list is how many there are, or the name of the list. The last two
// numbers say in which order a random choice visits the n candidates.
func appendHeading(buf []byte, r *lockcore.Requirement, list string, n int) []byte {
	if len(buf) > 0 {
		buf = append(buf, ' ')
	}
	buf = append(buf, mode(r)...)
	buf = append(buf, ' ')
	buf = strconv.AppendInt(buf, int64(r.Units()), 10)
	buf = append(buf, ' ')
	buf = append(buf, choices[r.Choice]...)
	buf = append(buf, ' ')
	buf = append(buf, list...)
	start, stride := 0, 1
	if r.Choice == lockcore.Random {
		start, stride = sched.Stride(n, rand.IntN)
	}
	buf = append(buf, ' ')
	buf = strconv.AppendInt(buf, int64(start), 10)
	buf = append(buf, ' ')
	return strconv.AppendInt(buf, int64(stride), 10)
}

func appendKeys(buf []byte, cands []lockcore.Candidate) []byte {
	for i := range cands {
		if i > 0 {
			buf = append(buf, ' ')
		}
		buf = appendEscaped(buf, cands[i].Key)
	}
	return buf
}

func splitKeys(s string) []string {
	keys := strings.Fields(s)
	for i := range keys {
		keys[i] = unescape(keys[i])
	}
	return keys
}

// encodeGot writes what a lease got: "mode key key|mode key", by requirement.
func encodeGot(g *lockcore.Grant) string {
	var buf []byte
	for r, keys := range g.Obtained {
		if r > 0 {
			buf = append(buf, '|')
		}
		var req lockcore.Requirement
		if r < len(g.Ticket.Requirements) {
			req = g.Ticket.Requirements[r]
		}
		buf = append(buf, mode(&req)...)
		for _, k := range keys {
			buf = append(buf, ' ')
			buf = appendEscaped(buf, k)
		}
	}
	return string(buf)
}

// decodeGot reads it. The requirements have what it says about them.
func decodeGot(s string) (obtained [][]string, reqs []lockcore.Requirement) {
	if s == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, "|") {
		m, keys, _ := strings.Cut(part, " ")
		var req lockcore.Requirement
		setMode(&req, m)
		obtained = append(obtained, splitKeys(keys))
		req.Need = len(obtained[len(obtained)-1])
		reqs = append(reqs, req)
	}
	return obtained, reqs
}

// encodeID marks an id as one, because ids and keys are fields of one hash.
func encodeID(id string) string { return "!" + escape(id) }

func decodeID(s string) string { return unescape(strings.TrimPrefix(s, "!")) }

func encodeIDs(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = encodeID(id)
	}
	return strings.Join(out, " ")
}

func decodeIDs(s string) []string {
	ids := strings.Fields(s)
	for i := range ids {
		ids[i] = decodeID(ids[i])
	}
	return ids
}

func micros(d time.Duration) int64 { return max(0, d.Microseconds()) }

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, _ := strconv.ParseFloat(s, 64) // some servers write large scores as 1.7e+15
		return int64(f)
	}
	return n
}

func moment(s string) time.Time { return time.UnixMicro(number(s)) }

// cutGrant reads how the scripts tell of a grant, in an answer or a message: "id
// token got", with a star behind the token if it was let past earlier waiters, and how
// the last uses ended that were not in order on a second line.
func cutGrant(s string) (id string, g *lockcore.Grant) {
	id, rest, _ := strings.Cut(s, " ")
	rest, last, _ := strings.Cut(rest, "\n")
	token, got, _ := strings.Cut(rest, " ")
	token, past := strings.CutSuffix(token, "*")
	g = &lockcore.Grant{Token: uint64(number(token)), Backfilled: past}
	g.Obtained, _ = decodeGot(got)
	for p := range slices.Chunk(strings.Fields(last), 2) {
		if g.Last == nil {
			g.Last = make(map[string]lockcore.Ending)
		}
		g.Last[unescape(p[1])] = lockcore.Ending(number(p[0]))
	}
	return id, g
}
