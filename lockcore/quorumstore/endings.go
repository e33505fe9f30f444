package quorumstore

import (
	"strconv"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Each server remembers how the last use of a key ended, also where the lease never
// arrived: a release says how long ago the use began and of what. Any two majorities have
// a server in common, so one of those that grant a key knows it. A server that was down
// when the key was given back may still remember what was before, until the release is
// sent to it again: then a clean key is told as one that is not, which costs a
// preparation.

// endingText is an ending as the scripts write it.
func endingText(e lockcore.Ending) string { return strconv.Itoa(int(e)) }

// addEndings adds what a server says, key, how, key, how..., to what others said. If
// two disagree, the worse one counts.
func addEndings(to map[string]lockcore.Ending, said fields) map[string]lockcore.Ending {
	for i := 0; i+1 < len(said); i += 2 {
		n, err := strconv.Atoi(said.text(i + 1))
		if err != nil || n <= int(to[said.text(i)]) {
			continue
		}
		if to == nil {
			to = make(map[string]lockcore.Ending)
		}
		to[said.text(i)] = lockcore.Ending(n)
	}
	return to
}
