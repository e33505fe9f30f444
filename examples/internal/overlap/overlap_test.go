package overlap

import "testing"

// The checker must be able to fail, or the examples would prove nothing.
func TestTakeRefusesWhatIsInUse(t *testing.T) {
	t.Setenv("RTEST_NAMESPACE", t.Name())
	for _, c := range []struct {
		first, second bool // shared
		refused       bool
	}{{false, false, true}, {false, true, true}, {true, false, true}, {true, true, false}} {
		done, err := Take("board/1", c.first)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Take("board/1", c.second)
		if (err != nil) != c.refused {
			t.Errorf("shared %v, then shared %v: %v", c.first, c.second, err)
		}
		if err == nil {
			again()
		}
		done()
	}
}
