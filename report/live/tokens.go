package live

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

const (
	tokenLeast    = 16 // characters
	tokenFileMost = 1 << 20
)

// A tokenFile is read again when it has changed.
type tokenFile struct {
	path string

	mu     sync.Mutex
	seen   os.FileInfo
	people []person
}

// A person is a line of the file.
type person struct {
	name string
	hash [sha256.Size]byte
}

// read returns who has a token. When the file cannot be read any more, or others can
// read it, nobody has.
func (t *tokenFile) read() ([]person, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := os.Open(t.path)
	if err != nil {
		return nil, fmt.Errorf("the token file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("the token file: %w", err)
	}
	if err := private(t.path, info); err != nil {
		return nil, err
	}
	// One that was written within the last moments may be written again in the same
	// tick of its clock.
	if s := t.seen; s != nil && os.SameFile(s, info) && s.Size() == info.Size() && s.ModTime().Equal(info.ModTime()) && time.Since(info.ModTime()) > 2*time.Second {
		return t.people, nil
	}
	// One byte more than is allowed shows that there is more.
	data, err := io.ReadAll(io.LimitReader(f, tokenFileMost+1))
	if err != nil {
		return nil, fmt.Errorf("the token file %s: %w", t.path, err)
	}
	people, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("the token file %s: %w", t.path, err)
	}
	t.seen, t.people = info, people
	return people, nil
}

// private refuses a file that others can read.
func private(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("the token file %s is no file", path)
	}
	// systemd keeps credentials in a directory that only the service can enter; an
	// access list gives them the look of being readable by a group.
	if dir := environ.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
		return nil
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("the token file %s can be read by others (its mode is %#o): chmod 600 it", path, info.Mode().Perm())
	}
	return nil
}

// parseTokens reads lines of a name, a space and a token. Its errors quote no token.
func parseTokens(data []byte) ([]person, error) {
	if len(data) > tokenFileMost {
		return nil, fmt.Errorf("is larger than %d bytes", tokenFileMost)
	}
	var people []person
	at := map[[sha256.Size]byte]int{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		i := strings.LastIndexFunc(text, unicode.IsSpace) // names may have spaces, and tokens none
		if i < 0 {
			return nil, fmt.Errorf("line %d: want a name, a space, and a token", n)
		}
		name, token := strings.TrimSpace(text[:i]), text[i+1:]
		if err := goodName(name); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(token) < tokenLeast {
			return nil, fmt.Errorf("line %d: the token of %s has less than %d characters; openssl rand -hex 16 makes one", n, name, tokenLeast)
		}
		p := person{name, sha256.Sum256([]byte(token))}
		if first, twice := at[p.hash]; twice {
			return nil, fmt.Errorf("line %d: the token of %s is that of line %d, too: nobody could tell who acts", n, name, first)
		}
		at[p.hash] = n
		people = append(people, p)
	}
	if len(people) == 0 {
		return nil, fmt.Errorf("has no token in it: want lines of a name, a space, and a token")
	}
	return people, nil
}
