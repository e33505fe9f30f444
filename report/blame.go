package report

import (
	"math/bits"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Cause is what a part of a wait was spent on; the package doc defines them.
type Cause string

// The causes.
const (
	PoolFull     Cause = "pool full"
	Behind       Cause = "behind another request"
	Orphan       Cause = "orphaned lease"
	Kept         Cause = "kept after a failure"
	Reserved     Cause = "reserved by a person"
	OutOfService Cause = "out of service"
	Foreign      Cause = "another program"
	StoreFault   Cause = "store fault"
	Unknown      Cause = "unknown"
)

// Causes lists all causes in the order in which reports show them.
var Causes = []Cause{PoolFull, Behind, Orphan, Kept, Reserved, OutOfService, Foreign, StoreFault, Unknown}

// A Share is a part of a wait, and whom and what it was spent on.
type Share struct {
	Cause  Cause       `json:"cause"`
	Holder Holder      `json:"holder,omitzero"` // who was in the way; empty for StoreFault and Unknown
	Pool   string      `json:"pool,omitempty"`  // the requirement that was short
	Time   eventlog.MS `json:"ms"`
}

// micros is a duration or a moment in microseconds. Blame is computed in whole
// ones, so that parts sum to the whole exactly, and prints as it is.
type micros int64

func (m micros) ms() eventlog.MS { return eventlog.MS(m) * eventlog.MS(time.Microsecond) }

// toMicros converts what an event says.
func toMicros(d eventlog.MS) micros { return micros(d.Bounded() / time.Microsecond) }

// A cause within this package.
type causeID uint8

const (
	poolFull causeID = iota
	behind
	orphan
	kept
	reserved
	outOfService
	foreign
	storeFault
	unknown
	causeCount
)

func (c causeID) public() Cause { return Causes[c] }

// A blameKey says what a part of a wait was spent on.
type blameKey struct {
	cause causeID
	label labelID
	pool  int32 // index of the named pool; -1 for none
}

func (a blameKey) compare(b blameKey) int {
	if a.cause != b.cause {
		return int(a.cause) - int(b.cause)
	}
	if a.pool != b.pool {
		return int(a.pool) - int(b.pool)
	}
	return int(int64(a.label) - int64(b.label))
}

// A part of a wait.
type part struct {
	blameKey
	time micros
}

// parts sums times by key.
type parts map[blameKey]micros

func (p parts) add(k blameKey, t micros) {
	if t != 0 {
		p[k] += t
	}
}

// sorted lists the parts in an order that does not depend on the map.
func (p parts) sorted() []part {
	var l []part
	for k, t := range p {
		if t != 0 {
			l = append(l, part{k, t})
		}
	}
	slices.SortFunc(l, func(a, b part) int { return a.compare(b.blameKey) })
	return l
}

// apportion divides total by weights so that the parts sum to total: part i
// gets what the first i+1 weights get together, rounded down, less what the
// ones before it got.
func apportion(total micros, n int, weight func(int) micros, give func(int, micros)) {
	var sum micros
	for i := range n {
		sum += weight(i)
	}
	if sum <= 0 {
		return
	}
	var before, given micros
	for i := range n {
		before += weight(i)
		upTo := mulDiv(total, before, sum)
		give(i, upTo-given)
		given = upTo
	}
}

// mulDiv is a*b/c, rounded down, for 0 <= b <= c and any a >= 0: the product may
// exceed 64 bits, the result does not.
func mulDiv(a, b, c micros) micros {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, _ := bits.Div64(hi, lo, uint64(c))
	return micros(q)
}

// rescale makes parts that sum to what the ordering clock measured sum to what
// the process itself measured.
func rescale(l []part, total micros, fallback blameKey) []part {
	var sum micros
	for _, p := range l {
		sum += p.time
	}
	if sum == total {
		return l
	}
	if sum == 0 {
		return []part{{fallback, total}}
	}
	out := slices.Clone(l)
	apportion(total, len(l), func(i int) micros { return l[i].time }, func(i int, t micros) { out[i].time = t })
	return slices.DeleteFunc(out, func(p part) bool { return p.time == 0 })
}
