package eventlog

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Suffix ends the names of event files; the reader takes only such files out of
// a directory.
const Suffix = ".jsonl"

// fileSink appends to one file, with one write call a line: a reader, and a
// crash, then see whole lines.
type fileSink struct {
	f    io.WriteCloser
	torn bool // the last write left half a line
}

func newFileSink(dir string) (*fileSink, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("eventlog: cannot make the directory for events: %w", err)
	}
	host, _ := os.Hostname()
	for try := 0; ; try++ {
		// Host and pid are there for people; containers share both, so chance
		// makes the name unique and O_EXCL proves it.
		var salt [4]byte
		rand.Read(salt[:])
		name := fmt.Sprintf("%s-%d-%s%s", fileSafe(host), os.Getpid(), hex.EncodeToString(salt[:]), Suffix)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o666)
		if err == nil {
			return &fileSink{f: f}, nil
		}
		if !errors.Is(err, fs.ErrExist) || try == 10 {
			return nil, fmt.Errorf("eventlog: cannot make a file for events: %w", err)
		}
	}
}

// Append stops at the first line that cannot be written: a full disk refuses
// the others too, and asking for each would only cost time.
func (s *fileSink) Append(lines [][]byte) (int, error) {
	for i, line := range lines {
		if s.torn {
			// Ends the half line, so that it spoils no other.
			line = append([]byte{'\n'}, line...)
		}
		n, err := s.f.Write(line)
		if err != nil {
			s.torn = s.torn && n == 0 || n > 0 && n < len(line)
			return i, fmt.Errorf("eventlog: %w", err)
		}
		s.torn = false
	}
	return len(lines), nil
}

func (s *fileSink) Close() error { return s.f.Close() }

// fileSafe keeps what every file system takes in a name.
func fileSafe(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
	s = strings.TrimLeft(s, ".") // a hidden file is not found by who looks for it
	if s == "" {
		return "host"
	}
	return s[:min(len(s), 64)]
}
