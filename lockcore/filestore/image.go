package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
)

// The state file holds two slots, the last look, and room for large states:
//
//	0      slot A: a header, and the state behind it if that fits into the slot
//	4096   slot B
//	8192   the last look: when somebody last looked for dead processes (see watch.go)
//	12288  large states, each with a log of what was changed since; what the current
//	       header points to is never overwritten
//
// A step writes the slot that is not the current one: header and state in one
// write inside one page, which a kill cannot tear. When the state is large, the
// step appends what it changed to the log behind the state, or writes a whole
// state somewhere else if the log has become long, and then the header. So at every
// moment at least one header stands whose state and log are whole. Renaming a new
// file into place would be as safe, but costs five times as much, and a lock on a
// file that is replaced locks nothing.
//
// An example, with a state of 100 KB:
//
//	step 7  writes the state at 12288, and slot A: state 12288 to 112288, no log
//	step 8  writes 200 bytes at 112288, and slot B: the same state, log of 200 bytes
//	step 9  writes 150 bytes at 112488, and slot A: the same state, log of 350 bytes
//
// A process that knows the state of step 7 reads 350 bytes at step 10.
const (
	magic         = "rtest-st"
	formatVersion = 2
	headerSize    = 120
	slotSize      = 4096
	frontSize     = 2 * slotSize
	lookAt        = frontSize
	statesAt      = 3 * slotSize
	// reservedSize is what a new file is filled to: small states then need no new
	// block, and go on working when the disk is full.
	reservedSize = 64 << 10
	// stateLimit bounds what a forged header in a long file can make us read: a
	// hundred thousand leases, in some 20 ms.
	stateLimit = 32 << 20

	// Version 1 had no log; it is read.
	version1     = 1
	version1Size = 100
)

// logLimit is how long the log of a state may become. A process that starts reads
// all of it, and one that has missed a whole state too. In 10,000 steps a log twice
// as long as the state costs each process a few of these, and writing whole states
// costs less than the steps themselves.
func logLimit(size int64) int64 { return max(2*size, 16<<10) }

// An id128 names something for good: an incarnation of the state, a boot of the
// machine.
type id128 [16]byte

// hashID is the id128 of something that has a name.
func hashID(s string) id128 {
	sum := sha256.Sum256([]byte(s))
	return id128(sum[:16])
}

// A header says where the current state is.
type header struct {
	instance id128  // drawn when the state was begun: a new one means that all is forgotten
	gen      uint64 // rises by one with each write
	at, size int64  // of the encoded state
	sum      uint32 // its checksum
	offset   int64  // the store's clock minus ticks
	ticks    int64  // of the kernel's clock at the write
	boot     id128  // of the machine: ticks of another boot mean nothing
	// firstToken is the fencing token above which this instance began: as long as
	// it is the last one, nothing has been granted in it.
	firstToken uint64
	written    uint64 // the generation that wrote the encoded state
	logSize    int64  // of the log behind it
	logSum     uint32 // its checksum
}

// used is what the header points to: a state, and its log.
func (h *header) used() place { return place{h.at, h.size + h.logSize} }

// castagnoli is made at its first use: it costs a process 0.2 ms.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

// checksumOn is the checksum of what has the checksum sum, and b behind it.
func checksumOn(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli(), b) }

// append encodes the header. The place of magic and version is the same in every
// format version there will be.
func (h *header) append(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = append(b, h.instance[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.gen)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.at))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.size))
	b = binary.LittleEndian.AppendUint32(b, h.sum)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.ticks))
	b = append(b, h.boot[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.firstToken)
	b = binary.LittleEndian.AppendUint64(b, h.written)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.logSize))
	b = binary.LittleEndian.AppendUint32(b, h.logSum)
	b = append(b, make([]byte, headerSize-4-(len(b)-start))...)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// versionError tells of a file that another version wrote.
type versionError struct{ version uint32 }

func (e *versionError) Error() string {
	return fmt.Sprintf("it has format version %d, this program knows %d to %d", e.version, version1, formatVersion)
}

var (
	errBlank     = errors.New("it is blank")
	errNotOurs   = errors.New("it is not a state file of this package")
	errBadHeader = errors.New("the checksum of a header is wrong")
	errBadState  = errors.New("the checksum of the state is wrong")
	errBadLog    = errors.New("the checksum of the log behind the state is wrong")
	errCut       = errors.New("it ends in the middle of the state")
)

// parseHeader decodes one header.
func parseHeader(b []byte) (h header, err error) {
	b = b[:headerSize]
	if len(bytes.Trim(b, "\x00")) == 0 {
		return h, errBlank
	}
	if string(b[:8]) != magic {
		return h, errNotOurs
	}
	version, size := binary.LittleEndian.Uint32(b[8:]), headerSize
	switch version {
	case formatVersion:
	case version1:
		size = version1Size
	default:
		return h, &versionError{version}
	}
	if checksum(b[:size-4]) != binary.LittleEndian.Uint32(b[size-4:]) {
		return h, errBadHeader
	}
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	h = header{
		instance: id128(b[12:28]), gen: u64(28), at: int64(u64(36)), size: int64(u64(44)), sum: binary.LittleEndian.Uint32(b[52:]),
		offset: int64(u64(56)), ticks: int64(u64(64)), boot: id128(b[72:88]), firstToken: u64(88),
	}
	h.written = h.gen
	if version != version1 {
		h.written, h.logSize, h.logSum = u64(96), int64(u64(104)), binary.LittleEndian.Uint32(b[112:])
	}
	switch {
	case h.at < version1Size, h.size < 0, h.size > stateLimit, h.logSize < 0, h.logSize > logLimit(h.size), h.logSize > 0 && h.used().small():
		return header{}, errBadHeader
	}
	return h, nil
}

// A front is the beginning of the file, decoded: its good headers with the
// newest first, and what is wrong with the others.
type front struct {
	headers []header
	slots   []int // where each stands: 0 or 1
	err     error // of a header that is neither good nor blank
}

func parseFront(b []byte) (f front) {
	for slot := range 2 {
		h, err := parseHeader(b[slot*slotSize:])
		var other *versionError
		switch {
		case err == nil && len(f.headers) == 1 && h.gen > f.headers[0].gen:
			f.headers, f.slots = []header{h, f.headers[0]}, []int{slot, f.slots[0]}
		case err == nil:
			f.headers, f.slots = append(f.headers, h), append(f.slots, slot)
		case errors.As(err, &other) || err != errBlank && f.err == nil:
			f.err = err
		}
	}
	return f
}

// A place is where a state may stand.
type place struct{ at, size int64 }

func (p place) end() int64 { return p.at + p.size }

// small reports whether the place is inside a slot.
func (p place) small() bool { return p.at < frontSize }

// room finds a place for a new state that leaves the current one and its log
// alone: behind the header in its slot, in front of the current state, or behind
// that. The file so stays within about three times the size of the largest state
// with its log.
func room(slot int, cur place, size int64) place {
	if headerSize+size <= slotSize {
		return place{int64(slot)*slotSize + headerSize, size}
	}
	return roomBehind(cur, size)
}

// roomBehind finds a place behind the slots.
func roomBehind(cur place, size int64) place {
	if cur.small() || statesAt+size <= cur.at {
		return place{statesAt, size}
	}
	const page = 4096
	return place{(cur.end() + page - 1) / page * page, size}
}

// clock continues the store's clock from the header to a moment given by the
// kernel's ticks: it neither jumps nor goes back within one boot, whatever is
// done to the wall clock. After a boot it goes on from the wall clock.
func (h *header) clock(boot id128, ticks, wall int64) (now, offset int64) {
	last := h.ticks + h.offset
	switch {
	case h.gen == 0:
		return wall, wall - ticks
	case h.boot != boot:
		now = max(wall, last)
		return now, now - ticks
	case ticks < h.ticks:
		// Only a clock that is no monotonic one does this, or a boot that cannot be told
		// from the last one.
		now = max(last, wall)
		return now, now - ticks
	}
	return ticks + h.offset, h.offset
}
