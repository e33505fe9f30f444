package modes_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// TestFree spells the rule out case by case, independently of how the code
// arrives at it.
func TestFree(t *testing.T) {
	for _, c := range []struct {
		held     string // one letter a unit, seats by their number
		asked    string
		free     int
		joinable bool
	}{
		{"", "x", 1, false}, {"", "s", 1, false}, {"", "n1", 1, false}, {"", "n3", 3, false},
		{"x", "x", 0, false}, {"x", "s", 0, false}, {"x", "n3", 0, false},
		{"s", "x", 0, true}, {"s", "s", 1, true}, {"s", "n3", 0, true}, {"ss", "s", 1, true},
		{"1", "n1", 0, false}, {"1", "n3", 0, false},
		{"3", "x", 0, true}, {"3", "s", 0, true}, {"3", "n3", 2, true}, {"3", "n2", 1, true}, {"3", "n1", 0, true},
		{"33", "n3", 1, true}, {"333", "n3", 0, false}, {"333", "n9", 0, false},
		{"23", "n3", 0, false}, {"32", "n3", 0, false}, {"3", "n9", 2, true},
	} {
		var u modes.Units
		for _, l := range c.held {
			text := string(l)
			if l >= '0' && l <= '9' {
				text = "n" + text
			}
			m, ok := modes.Parse(text)
			assert.True(t, ok, text)
			u = u.Plus(count(m))
		}
		asked, ok := modes.Parse(c.asked)
		assert.True(t, ok, c.asked)
		assert.Equal(t, c.free, u.Free(asked), "%s beside %q", c.asked, c.held)
		assert.Equal(t, c.joinable, u.Joinable(), "%q", c.held)
	}
}

func count(m modes.Mode) (u modes.Units) {
	u.Add(m)
	return u
}

func TestParse(t *testing.T) {
	for _, m := range []modes.Mode{{}, {Shared: true}, {Seats: 1}, {Seats: 120}} {
		back, ok := modes.Parse(m.String())
		assert.True(t, ok, m)
		assert.Equal(t, m, back)
	}
	for _, bad := range []string{"", "n", "n0", "n-1", "nx", "y", "xs", "5"} {
		_, ok := modes.Parse(bad)
		assert.False(t, ok, bad)
	}
}

// TestTableHasEveryPair wants every mode asked for beside every mode held, and
// nobody held whom the rule keeps out.
func TestTableHasEveryPair(t *testing.T) {
	pairs := make(map[[2]string]bool)
	for _, row := range modes.Table() {
		var u modes.Units
		for _, m := range row.Held {
			assert.Positive(t, u.Free(m), "%v", row.Held)
			u.Add(m)
			pairs[[2]string{m.String(), row.Asked.String()}] = true
		}
		assert.Equal(t, row.Free, u.Free(row.Asked), "%v", row)
	}
	assert.Len(t, pairs, 5*5)
}
