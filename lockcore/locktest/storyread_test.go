package locktest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A slip in a story is told, and not played as something else.
func TestRequirementsOfStories(t *testing.T) {
	for line, want := range map[string]string{
		"2":              `a requirement is like "2 of a b c", not "2"`,
		"1 of":           `a requirement is like "2 of a b c", not "1 of"`,
		"a of b":         `a requirement is like "2 of a b c", not "a of b"`,
		"1 if b":         `a requirement is like "2 of a b c", not "1 if b"`,
		"1 of a seats=x": `"seats=x": the seats of a resource are a number above 0`,
		"1 of a seats=":  `"seats=": the seats of a resource are a number above 0`,
		"1 of a seats=0": `"seats=0": the seats of a resource are a number above 0`,
	} {
		_, err := parseRequirement(strings.Fields(line))
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

func TestWordsOfRequirements(t *testing.T) {
	candidates := func(keys ...string) (all []lockcore.Candidate) {
		for _, k := range keys {
			all = append(all, lockcore.Candidate{Key: k})
		}
		return all
	}
	for line, want := range map[string]lockcore.Requirement{
		"2 of a b":         {Need: 2, Candidates: candidates("a", "b"), Choice: lockcore.InOrder},
		"1 of a b inorder": {Need: 1, Candidates: candidates("a", "b"), Choice: lockcore.InOrder},
		"1 of a b lru":     {Need: 1, Candidates: candidates("a", "b"), Choice: lockcore.LeastRecentlyUsed},
		"1 of a shared":    {Need: 1, Candidates: candidates("a"), Choice: lockcore.InOrder, Shared: true},
		"1 of a seats=2":   {Need: 1, Candidates: candidates("a"), Choice: lockcore.InOrder, Seats: 2},
		"1 of a name=pool": {Need: 1, Candidates: candidates("a"), Choice: lockcore.InOrder, Name: "pool"},
	} {
		if got, err := parseRequirement(strings.Fields(line)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", line, got, err, want)
		}
	}
}
