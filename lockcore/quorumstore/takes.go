package quorumstore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// modeOf is how the requirement takes its keys.
func modeOf(r *lockcore.Requirement) modes.Mode { return modes.Mode{Shared: r.Shared, Seats: r.Seats} }

// A unit is a name (of a key, or of a lease that has the key) and a mode.
type unit struct {
	mode modes.Mode
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
	b.WriteString(u.mode.String())
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
		mode, ok3 := modes.Parse(m)
		if !ok || !ok2 || !ok3 || err != nil || n < 0 || n > len(tail) {
			return nil, fmt.Errorf("quorumstore: %q is no list of holdings, at byte %d: is something else stored under this namespace?", list, len(list)-len(rest))
		}
		units = append(units, unit{mode, tail[:n]})
		rest = tail[n:]
	}
	return units, nil
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
			appendUnit(&b, unit{name: c.Key})
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
				units = append(units, unit{name: k})
			}
			continue
		}
		for _, c := range reqs[r].Candidates {
			units = append(units, unit{name: c.Key})
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
		if u.mode != (modes.Mode{}) {
			return args
		}
	}
	args = append(args, encode([]unit{{name: id}}))
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
