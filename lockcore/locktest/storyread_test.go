package locktest

import (
	"strings"
	"testing"
)

// A slip in a story is told, and not played as something else.
func TestRequirementsOfStories(t *testing.T) {
	for line, want := range map[string]string{
		"1 of a seats=2": "",
		"2 of a b":       "",
		"2":              `a requirement is like "2 of a b c", not "2"`,
		"1 of":           `a requirement is like "2 of a b c", not "1 of"`,
		"a of b":         `a requirement is like "2 of a b c", not "a of b"`,
		"1 if b":         `a requirement is like "2 of a b c", not "1 if b"`,
		"1 of a seats=x": `"seats=x": the seats of a resource are a number above 0`,
		"1 of a seats=":  `"seats=": the seats of a resource are a number above 0`,
		"1 of a seats=0": `"seats=0": the seats of a resource are a number above 0`,
	} {
		_, err := parseRequirement(strings.Fields(line))
		if got := ""; err == nil && want != got || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}
