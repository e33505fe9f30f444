package lockcore

import "fmt"

// An Ending says how the use of a resource ended, for the next one that gets it:
// a board whose test died may need to be flashed anew.
type Ending int

// The endings.
const (
	Released   Ending = iota // given back in order, or never used as far as the store remembers
	TestFailed               // given back by a test that had failed
	Died                     // not given back: its process died, or did not renew its lease
	Unknown                  // taken away by hand, or a person's reservation that ran out
)

var endingNames = [...]string{Released: "released", TestFailed: "test failed", Died: "died", Unknown: "unknown"}

// String is the ending in words.
func (e Ending) String() string {
	if e < 0 || int(e) >= len(endingNames) {
		return fmt.Sprintf("Ending(%d)", int(e))
	}
	return endingNames[e]
}

// MarshalText is the ending in words.
func (e Ending) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads an ending in words.
func (e *Ending) UnmarshalText(text []byte) error {
	for i, name := range endingNames {
		if string(text) == name {
			*e = Ending(i)
			return nil
		}
	}
	return fmt.Errorf("ending %q is unknown: it is released, test failed, died or unknown", text)
}
