package filestore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// history is what this process knows of how long tests hold. It has a file of its
// own, written seldom and replaced whole: with a thousand tests it is much larger
// than the state, and a step that carried it would take 2 ms instead of 15 µs.
type history struct {
	known *sched.History
	news  bool // something was learned since it was saved
	saved time.Time
	stamp time.Time // of the file that known builds on
}

// historyEvery is how often a process writes what it learned, and reads what
// others did. What it learned since is lost if it is killed, and with it a guess.
const historyEvery = 10 * time.Second

func (l *location) history() string { return filepath.Join(l.space, "history") }

// saveHistory merges what was learned here into the file. It runs under the lock
// of the state file, so one name will do for the new file. Whatever goes wrong
// costs guesses only, so errors are not reported; a damaged file is written anew.
func (s *Store) saveHistory() {
	s.history.saved = time.Now()
	stamp := s.loc.historyStamp()
	if !s.history.news && stamp.Equal(s.history.stamp) {
		return
	}
	s.history.stamp = stamp
	if !s.history.known.Rebase(s.loc.readHistory()) {
		return
	}
	s.history.news = false
	b := s.history.known.Append(nil)
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	// Replaced and not overwritten: a kill in between must not cost all of it.
	temp := s.loc.history() + ".new"
	f, err := openFile(temp, forCreation, s.loc.filePerm)
	if err != nil {
		return
	}
	_ = s.loc.share(f)
	if err = f.truncate(0); err == nil {
		err = f.writeAt(b, 0)
	}
	f.close()
	if err == nil {
		err = os.Rename(temp, s.loc.history())
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	s.history.stamp = s.loc.historyStamp()
}

// historyStamp tells one file from the next; zero if there is none.
func (l *location) historyStamp() time.Time {
	info, err := os.Stat(l.history())
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// readHistory is what is stored; nothing if it cannot be read.
func (l *location) readHistory() *sched.History {
	b, err := os.ReadFile(l.history())
	if n := len(b) - 4; err == nil && n >= 0 && checksum(b[:n]) == binary.LittleEndian.Uint32(b[n:]) {
		if h, err := sched.DecodeHistory(b[:n]); err == nil {
			return h
		}
	}
	return new(sched.History)
}
