package filestore

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// history is what this process knows of how long tests hold. It has files of its
// own: with a thousand tests it is much larger than the state, and a step that
// carried it would take 2 ms instead of 15 µs.
//
// What a step has learned is appended to the file "holds" in that step, so that
// the next process knows it however short this one lives; a kill loses the last
// hold at most. When that file is long, the next step puts it into the file
// "history", which is replaced whole. A kill between that and the emptying of
// "holds" makes some holds count twice, which is no harm to a median.
type history struct {
	known *sched.History
	read  time.Time // when the files were read last
	holds *file     // open for appending, once something was learned
}

const (
	// historyEvery is how often a process that steps reads what others learned.
	historyEvery = 10 * time.Second
	// holdsLimit is the size from which the holds go into the history: a thousand or
	// so, each of which costs every process that starts a microsecond.
	holdsLimit = 128 << 10
	// historyLimit bounds what a forged file makes us read: a thousand tests with
	// long names take a tenth.
	historyLimit = 4 << 20

	historyName = "history"
	holdsName   = "holds"
)

// saveHolds stores what this process has learned, and from time to time learns
// what others did. It runs under the lock of the state file. Whatever goes wrong
// costs guesses only, so errors are not reported; a damaged file is written anew.
func (s *Store) saveHolds() {
	if news := s.history.known.TakeUnsaved(); news != nil {
		s.appendHold(news.Append(nil))
	}
	if time.Since(s.history.read) > historyEvery {
		s.readHistory()
	}
}

// appendHold adds a record to the file of holds: its length, its checksum, and
// what was learned.
func (s *Store) appendHold(learned []byte) {
	f, size, err := s.holdsFile()
	if err != nil {
		return
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 8+len(learned)), uint32(len(learned)))
	b = append(binary.LittleEndian.AppendUint32(b, checksum(learned)), learned...)
	if f.writeAt(b, size) != nil {
		_ = f.truncate(size) // so that what comes next can be read
	}
	if size+int64(len(b)) > holdsLimit {
		s.foldHolds(f)
	}
}

// holdsFile opens the file of holds, unless it is open, and says how long it is.
func (s *Store) holdsFile() (*file, int64, error) {
	at := s.loc.at()
	if s.history.holds != nil {
		if i, err := s.history.holds.info(); err == nil && i.links > 0 {
			return s.history.holds, i.size, nil
		}
		s.forgetHolds()
	}
	f, i, err := at.openIn(at.space, holdsName, forCreation)
	if err != nil {
		return nil, 0, err
	}
	s.history.holds = &f
	return &f, i.size, nil
}

// forgetHolds closes the file of holds.
func (s *Store) forgetHolds() {
	if s.history.holds != nil {
		s.history.holds.close()
		s.history.holds = nil
	}
}

// foldHolds writes the history with all holds in it, and empties their file.
func (s *Store) foldHolds(holds *file) {
	s.readHistory()
	b := s.history.known.Append(nil)
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	at := s.loc.at()
	const temp = historyName + newSuffix
	_ = at.space.remove(temp) // of a process that was killed in here
	f, _, err := at.openIn(at.space, temp, forNew)
	if err != nil {
		return
	}
	err = f.writeAt(b, 0)
	f.close()
	// Replaced and not overwritten: a kill in between must not cost all of it.
	if err == nil {
		err = at.space.rename(temp, historyName)
	}
	if err != nil {
		_ = at.space.remove(temp)
		return
	}
	_ = holds.truncate(0)
}

// readHistory takes in what all processes have stored.
func (s *Store) readHistory() {
	s.history.read = time.Now()
	s.history.known.Rebase(s.loc.readHistory())
}

// readHistory is what is stored; nothing if it cannot be read.
func (l *location) readHistory() *sched.History {
	known := new(sched.History)
	if b, err := l.readFile(historyName, historyLimit); err == nil && len(b) >= 4 {
		if n := len(b) - 4; checksum(b[:n]) == binary.LittleEndian.Uint32(b[n:]) {
			if h, err := sched.DecodeHistory(b[:n]); err == nil {
				known = h
			}
		}
	}
	b, err := l.readFile(holdsName, historyLimit)
	if err != nil {
		return known
	}
	for len(b) >= 8 {
		n := binary.LittleEndian.Uint32(b)
		if int64(n) > int64(len(b)-8) || checksum(b[8:8+n]) != binary.LittleEndian.Uint32(b[4:]) {
			break
		}
		if h, err := sched.DecodeHistory(b[8 : 8+n]); err == nil {
			known.Merge(h)
		}
		b = b[8+n:]
	}
	return known
}

var errTooLong = errors.New("the file is longer than any that this program writes")

// readFile reads a small file of the namespace.
func (l *location) readFile(name string, limit int64) ([]byte, error) {
	at := l.at()
	f, i, err := at.openIn(at.space, name, forTest)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if i.size > limit {
		return nil, errTooLong
	}
	b := make([]byte, i.size)
	n, err := f.readAt(b, 0)
	return b[:n], err
}
