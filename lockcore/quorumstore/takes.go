package quorumstore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A mode is how a unit of a key is taken: "x" exclusive, "s" shared, "n5" one
// of five seats.
type mode string

func modeOf(r *lockcore.Requirement) mode {
	switch {
	case r.Shared:
		return "s"
	case r.Seats > 0:
		return mode("n" + strconv.Itoa(r.Seats))
	}
	return "x"
}

// addTo counts a unit in this mode.
func (m mode) addTo(u *sched.Units) {
	var r lockcore.Requirement
	switch m[0] {
	case 's':
		r.Shared = true
	case 'n':
		r.Seats, _ = strconv.Atoi(string(m[1:])) // decode has checked it
	}
	u.Add(&r)
}

// A unit is a name (of a key, or of a lease that has the key) and a mode.
type unit struct {
	mode mode
	name string
}

// encode writes a list as the scripts read it. It is no JSON, because that
// cannot carry every key unchanged.
func encode(units []unit) string {
	var b strings.Builder
	for _, u := range units {
		appendUnit(&b, u)
	}
	return b.String()
}

func appendUnit(b *strings.Builder, u unit) {
	b.WriteString(string(u.mode))
	b.WriteByte(',')
	b.WriteString(strconv.Itoa(len(u.name)))
	b.WriteByte(':')
	b.WriteString(u.name)
}

// decode reads what encode or a script wrote.
func decode(list string) ([]unit, error) {
	var units []unit
	for rest := list; rest != ""; {
		m, tail, ok := strings.Cut(rest, ",")
		length, tail, ok2 := strings.Cut(tail, ":")
		n, err := strconv.Atoi(length)
		if !ok || !ok2 || err != nil || n < 0 || n > len(tail) || !validMode(m) {
			return nil, fmt.Errorf("quorumstore: %q is no list of holdings, at byte %d: is something else stored under this namespace?", list, len(list)-len(rest))
		}
		units = append(units, unit{mode(m), tail[:n]})
		rest = tail[n:]
	}
	return units, nil
}

func validMode(m string) bool {
	if m == "x" || m == "s" {
		return true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(m, "n"))
	return strings.HasPrefix(m, "n") && err == nil && n > 0
}

// unitsOf lists what a choice of keys means: the same list for the same choice,
// which is how a server recognises a lease.
func unitsOf(reqs []lockcore.Requirement, obtained [][]string) []unit {
	var units []unit
	for r, keys := range obtained {
		if r >= len(reqs) {
			break
		}
		m := modeOf(&reqs[r])
		for _, k := range keys {
			units = append(units, unit{m, k})
		}
	}
	return units
}

// candidates lists all keys that the requirements name, for a server to report
// on, also as the scripts read it. Above lookMax the list is nil, for everything:
// reading the whole namespace then costs less than spelling out the question.
func candidates(reqs []lockcore.Requirement) (keys []string, list string) {
	n := 0
	for i := range reqs {
		n += len(reqs[i].Candidates)
	}
	if n > lookMax {
		return nil, "*"
	}
	keys = make([]string, 0, n)
	var b strings.Builder
	for i := range reqs {
		for _, c := range reqs[i].Candidates {
			keys = append(keys, c.Key)
			appendUnit(&b, unit{"x", c.Key})
		}
	}
	return keys, b.String()
}

const lookMax = 200

// leastRecent lists the keys chosen, or offered, by LeastRecentlyUsed.
func leastRecent(reqs []lockcore.Requirement, obtained [][]string) []unit {
	var units []unit
	for r := range reqs {
		if reqs[r].Choice != lockcore.LeastRecentlyUsed {
			continue
		}
		if obtained != nil {
			for _, k := range obtained[r] {
				units = append(units, unit{"x", k})
			}
			continue
		}
		for _, c := range reqs[r].Candidates {
			units = append(units, unit{"x", c.Key})
		}
	}
	return units
}

// simpleMax bounds the keys of a lease that a script handles in its first lines.
const simpleMax = 64

// simple appends what these lines need, if they can do it: exclusive keys only.
// Without it the script does the same more slowly.
func simple(args []any, id string, units []unit) []any {
	if len(units) == 0 || len(units) > simpleMax {
		return args
	}
	for _, u := range units {
		if u.mode != "x" {
			return args
		}
	}
	args = append(args, encode([]unit{{"x", id}}))
	for _, u := range units {
		args = append(args, "k"+u.name)
	}
	return args
}

// number writes a number as records hold it.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	return strings.Repeat("0", max(0, 16-len(text))) + text
}

// sweep is, once in a while, where a server should look for garbage: a cursor of
// its hash. Most requests do not pay for it.
func sweep() string {
	if rand.IntN(sweepEvery) > 0 {
		return ""
	}
	return strconv.FormatUint(uint64(rand.Uint32()), 10)
}

const sweepEvery = 16
