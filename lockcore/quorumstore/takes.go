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

// encode writes a list as the scripts read it. JSON would not do: it cannot carry
// every key unchanged.
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

// unitsOf lists the units of a choice of keys. The same choice gives the same list, by
// which a server recognises a lease.
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

// candidates lists all keys of the requirements, for a server to report on, and the
// same list as the scripts read it. Above lookMax keys it returns nil and "*", which
// stand for the whole namespace: reading all of it then costs less than sending the
// list.
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

// leastRecent lists the keys that were chosen by LeastRecentlyUsed, or all candidates
// of such requirements if obtained is nil.
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

// simpleMax bounds the keys of a lease that take_first.lua and release_first.lua
// handle.
const simpleMax = 64

// simple appends the arguments of take_first.lua and release_first.lua, if all keys
// are exclusive. Without these arguments the script does the same more slowly.
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

// sweep is a cursor of the hash, where the server should look for records to drop. It
// is empty for most requests, so that they do not pay for the search.
func sweep() string {
	if rand.IntN(sweepEvery) > 0 {
		return ""
	}
	return strconv.FormatUint(uint64(rand.Uint32()), 10)
}

const sweepEvery = 16
