// Package modes holds the rule of which ways of taking a resource go together.
// It stands here once: the scheduler, the words about blockers and the helpers
// for tests use it, and the scripts of the Redis stores are compared to [Table].
//
// The rule: an exclusive holder is alone. Shared holders go with shared holders.
// Holders by the seat go with holders by the seat, up to the lowest number of
// seats that one of them, or whoever asks, believes the resource to have.
package modes

import (
	"strconv"
	"strings"
)

// A Mode is how a requirement takes a unit of a resource. The zero value is
// exclusive.
type Mode struct {
	Shared bool
	Seats  int // above 0: by the seat, of so many
}

// String is the mode as the scripts write it: x (exclusive), s (shared) or n and
// the number of seats.
func (m Mode) String() string {
	switch {
	case m.Shared:
		return "s"
	case m.Seats > 0:
		return "n" + strconv.Itoa(m.Seats)
	}
	return "x"
}

// Parse reads what String wrote.
func Parse(text string) (m Mode, ok bool) {
	switch text {
	case "x":
		return Mode{}, true
	case "s":
		return Mode{Shared: true}, true
	}
	digits, seated := strings.CutPrefix(text, "n")
	n, err := strconv.Atoi(digits)
	if !seated || err != nil || n < 1 {
		return Mode{}, false
	}
	return Mode{Seats: n}, true
}

// Units counts how a resource is taken, by mode. The zero value is a free
// resource.
type Units struct {
	Exclusive, Shared, Seats int
	// Lowest is the lowest number of seats that one of the holders believes in;
	// 0 when nobody holds by the seat.
	Lowest int
}

// Free is how many units of a resource that is taken like this could be taken in
// the mode: 0 or 1, or a number of seats.
func (u Units) Free(m Mode) int {
	switch {
	case u.Exclusive > 0:
		return 0
	case m.Shared:
		if u.Seats > 0 {
			return 0
		}
		return 1
	case m.Seats > 0:
		if u.Shared > 0 {
			return 0
		}
		n := m.Seats
		if u.Lowest > 0 {
			n = min(n, u.Lowest)
		}
		return max(0, n-u.Seats)
	case u.Shared+u.Seats > 0:
		return 0
	}
	return 1
}

// Joinable reports whether somebody else could still join those who hold the
// resource, and so keep it from ever being free.
func (u Units) Joinable() bool {
	return u.Exclusive == 0 && (u.Shared > 0 || u.Seats > 0 && u.Seats < u.Lowest)
}

// Add takes one unit in the mode.
func (u *Units) Add(m Mode) {
	switch {
	case m.Shared:
		u.Shared++
	case m.Seats > 0:
		u.Seats++
		if u.Lowest == 0 || m.Seats < u.Lowest {
			u.Lowest = m.Seats
		}
	default:
		u.Exclusive++
	}
}

// Plus counts what either of the two has taken.
func (u Units) Plus(v Units) Units {
	lowest := u.Lowest
	if lowest == 0 || v.Lowest > 0 && v.Lowest < lowest {
		lowest = v.Lowest
	}
	return Units{u.Exclusive + v.Exclusive, u.Shared + v.Shared, u.Seats + v.Seats, lowest}
}
