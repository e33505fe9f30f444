package campaign

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// A Note is a line that a worker writes: a use when it begins, and after that nothing
// but its number and To, whenever the use is known to last.
type Note struct {
	N   int        // of the use, in its process
	Use *judge.Use `json:",omitempty"`
	To  int64      `json:",omitempty"`
	// Damaged is when the process was told that the state of its store is damaged.
	Damaged int64 `json:",omitempty"`
}

// Read reads what a worker wrote, and shows each note to seen, unless that is nil. A
// process that was killed may have left half a line at the end; one in the midst is an
// error.
func Read(r io.Reader, seen func(Note)) (uses []judge.Use, err error) {
	at := make(map[int]int)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var n Note
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			if lines.Scan() {
				return uses, fmt.Errorf("a line in the midst of what was written: %w", err)
			}
			break
		}
		if seen != nil {
			seen(n)
		}
		switch i, known := at[n.N]; {
		case n.Damaged != 0:
		case known:
			uses[i].To = n.To
		case n.Use == nil:
			return uses, fmt.Errorf("the end of use %d was written, and its beginning was not", n.N)
		default:
			at[n.N] = len(uses)
			uses = append(uses, *n.Use)
		}
	}
	return uses, lines.Err()
}
