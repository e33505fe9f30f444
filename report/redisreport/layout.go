package redisreport

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// An Aspect is one of the sums that are kept for a tag and value. The names are
// fields in Redis.
type Aspect string

// The aspects. Counts are whole numbers, waits are seconds.
const (
	RequestCount Aspect = "lock_request_count"
	AcquireCount Aspect = "lock_acquire_count"
	FailCount    Aspect = "lock_acquire_fail_count"
	ReleaseCount Aspect = "lock_release_count"
	AcquireWait  Aspect = "lock_acquire_wait" // how long the request waited
	ReleaseWait  Aspect = "lock_release_wait" // how long the resource was held
)

// Aspects lists all aspects, counts first.
func Aspects() []Aspect {
	return []Aspect{RequestCount, AcquireCount, FailCount, ReleaseCount, AcquireWait, ReleaseWait}
}

// validate refuses a name that nothing writes: a typo would read as "never
// happened".
func (a Aspect) validate() error {
	if all := Aspects(); !slices.Contains(all, a) {
		return fmt.Errorf("redisreport: unknown aspect %q; the aspects are %v", string(a), all)
	}
	return nil
}

// Key names in Redis. They carry no prefix and no hash tag, because the Python
// side has none; on Redis Cluster they spread over the slots, which is fine, as
// every command touches one key.
const tagsKey = "_TAGS"

func valuesKey(safeTag string) string          { return "_TAG_" + safeTag }
func sumsKey(safeTag, safeValue string) string { return safeTag + "__" + safeValue }

var punctuation = strings.NewReplacer(".", "-", ":", "-", "_", "-")

// Sanitise is how a tag or a value appears in key names: trimmed, lower case,
// with ".", ":" and "_" as "-". Names that differ only so share their sums.
func Sanitise(s string) string {
	// Bytes that are no UTF-8 would make every later read by the Python side
	// fail, for everybody.
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.TrimFunc(s, isPythonSpace)
	return punctuation.Replace(lower(s))
}

// isPythonSpace is what Python's str.strip removes: Go's white space and four
// ASCII separators.
func isPythonSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// lower is Python's str.lower. strings.ToLower maps rune by rune and so differs
// on İ and on a final Σ, which would split a tag in two.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			// A Caser has state: one a call, not one for all goroutines.
			return cases.Lower(language.Und).String(s)
		}
	}
	return strings.ToLower(s)
}
