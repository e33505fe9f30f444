package redisstore_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// A use is a time during which a process had keys, as it writes it down: see
// [judge.Use]. Times are those of the machine's monotonic clock, in ns, which
// all processes share.
type use struct {
	Proc  string `json:"-"`
	N     int    // number of the use in its process
	Asked int64  // before Acquire was called
	From  int64  // after it returned, and before a look at the lease that found it good
	To    int64  // before the last such look
	Token uint64 `json:",omitempty"`
	Got   []got  `json:",omitempty"` // by requirement
	Odd   string `json:",omitempty"` // what should not have happened
}

type got struct {
	Mode string // x, s, or n and the number of seats
	Keys []string
}

// readUses reads what a process wrote: a line when a use begins, and one with
// nothing but its number and To whenever it is known to last. A process that was
// killed may have left half a line at the end.
func readUses(path string) (uses []use, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := make(map[int]int)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var u use
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			if lines.Scan() {
				return nil, fmt.Errorf("%s: a line in the midst of it: %w", path, err)
			}
			break
		}
		if i, ok := at[u.N]; ok {
			uses[i].To = u.To
			continue
		}
		at[u.N] = len(uses)
		u.Proc = filepath.Base(path)
		uses = append(uses, u)
	}
	return uses, nil
}

// contradictions returns what contradicts the promises in what was written down. Whether
// somebody got all that was asked for, each process has looked itself.
func contradictions(written []use) (bad []string) {
	uses := make([]judge.Use, len(written))
	for i, u := range written {
		uses[i] = judge.Use{Who: fmt.Sprintf("%s#%d", u.Proc, u.N), Asked: u.Asked, From: u.From, To: u.To, Token: u.Token, Odd: u.Odd}
		for _, g := range u.Got {
			uses[i].Got = append(uses[i].Got, judge.Got(g))
		}
	}
	return judge.Promises{}.Contradictions(uses)
}

// TestContradictions forges what three processes wrote, the last of which was
// killed in the midst of a line.
func TestContradictions(t *testing.T) {
	dir := t.TempDir()
	var written []use
	for name, lines := range map[string]string{
		"one.log": `{"N":1,"Asked":1,"From":2,"To":3,"Token":5,"Got":[{"Mode":"x","Keys":["a"]}]}
{"N":1,"To":9}
{"N":2,"Asked":20,"From":21,"To":22,"Token":4,"Got":[{"Mode":"s","Keys":["b"]}]}
`,
		"two.log": `{"N":1,"Asked":5,"From":6,"To":6,"Token":6,"Got":[{"Mode":"s","Keys":["c"]},{"Mode":"x","Keys":["a"]}]}
{"N":2,"Odd":"asked for 2, got [\"a\"]"}
`,
		"three.log": `{"N":1,"Asked":7,"From":8,"To":8,"Token":7,"Got":[{"Mode":"n2","Keys":["d","d"]}]}
{"N":1,"T`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		uses, err := readUses(path)
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, uses...)
	}
	bad := contradictions(written)
	said := strings.Join(bad, "\n")
	for _, want := range []string{"two.log#1", "beside", "token 4 was given", "asked for 2"} {
		if len(bad) != 3 || !strings.Contains(said, want) {
			t.Errorf("want three contradictions, of which one says %q; found\n%s", want, said)
		}
	}
}
