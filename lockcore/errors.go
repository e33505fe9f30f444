package lockcore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The errors that callers tell apart, with errors.Is.
var (
	ErrBusy          = errors.New("resources are busy")                           // somebody else has them; see BusyError
	ErrUnsatisfiable = errors.New("request can never be satisfied")               // not even with every resource free
	ErrLost          = errors.New("lease lost")                                   // it ran out or was taken away
	ErrNotHeld       = errors.New("not held")                                     // nobody holds what should be released or freed
	ErrNoQuorum      = errors.New("too few of the lock servers can be reached")   // Redlock only
	ErrDeadlock      = errors.New("deadlock: waiting for each other in a circle") // nested acquisitions
	ErrOutOfService  = errors.New("out of service")                               // nothing that is in service could serve the request
)

// A BusyError says why a request was not served. It unwraps to ErrBusy, to
// ErrOutOfService if it has Outages, and to the cause of the context if the wait was
// cut short.
type BusyError struct {
	Requirements []Requirement
	Waited       time.Duration
	Position     int       // place among the waiters that want the same resources; 1 is next
	Blockers     []Blocker // most relevant first: holders, then earlier waiters
	Time         time.Time // the store's clock when Blockers was read
	Since        time.Time // when it joined the line, by that clock; zero: it stands in none
	// Start is when it is expected to be served, if it waits, by how long those before
	// it are expected to hold; zero: unknown.
	Start time.Time
	Cause error // of the context; nil for a single attempt
	// StoreError is why the store does not say who is in the way, if it does not, and
	// Silent for how long it has not answered the request.
	StoreError error
	Silent     time.Duration
	// Outages are the disabled keys without which the request cannot be served: it
	// ended at once because of them.
	Outages []Blocker
}

// A Blocker is a reason why a request waits: somebody who holds a key that it
// could use, or an earlier waiter with a claim on it.
type Blocker struct {
	Key     string
	ID      string // of the lease or ticket
	Holder  Owner
	State   string // as Holder.State, or "waiting" for an earlier waiter
	Since   time.Time
	Expires time.Time // unless renewed
	Reason  string
}

// Unwrap makes errors.Is find ErrBusy, ErrOutOfService and the cause.
func (e *BusyError) Unwrap() []error {
	errs := []error{ErrBusy}
	if len(e.Outages) > 0 {
		errs = append(errs, ErrOutOfService)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

// Error says what was wanted, for how long, the place in line and who is in the
// way, in one line.
func (e *BusyError) Error() string {
	var b strings.Builder
	if len(e.Outages) > 0 {
		fmt.Fprintf(&b, "out of service: wanted %s, which cannot be had without what is disabled", wanted(e.Requirements))
		for _, k := range e.Outages {
			b.WriteString("; ")
			b.WriteString(k.describe(e.Time))
		}
		return b.String()
	}
	if e.Cause == nil {
		fmt.Fprintf(&b, "busy: wanted %s", wanted(e.Requirements))
	} else {
		fmt.Fprintf(&b, "gave up after %s waiting for %s (%v)", short(e.Waited), wanted(e.Requirements), e.Cause)
	}
	b.WriteString(e.Standing())
	return b.String()
}

// blockersShown bounds a message; the field has them all. storeErrorShown does the same,
// in characters.
const (
	blockersShown   = 5
	storeErrorShown = 300
)

// Standing is the tail of the message: the place in line and the blockers,
// beginning with "; ", or empty when neither is known.
func (e *BusyError) Standing() string {
	var b strings.Builder
	b.WriteString(e.place())
	for i, k := range e.Blockers {
		if i == blockersShown {
			fmt.Fprintf(&b, "; and %d more", len(e.Blockers)-i)
			break
		}
		b.WriteString("; ")
		b.WriteString(k.describe(e.Time))
	}
	return b.String()
}

func (k Blocker) describe(now time.Time) string {
	var b strings.Builder
	switch k.State {
	case "waiting":
		fmt.Fprintf(&b, "%s is claimed by %s, waiting since %s", quote(k.Key), k.Holder, clock(k.Since, now))
	case "kept":
		fmt.Fprintf(&b, "%s is kept for %s, since %s until %s", quote(k.Key), k.Holder, clock(k.Since, now), clock(k.Expires, now))
	case "reserved":
		fmt.Fprintf(&b, "%s is reserved by %s since %s until %s", quote(k.Key), k.Holder, clock(k.Since, now), clock(k.Expires, now))
	case "disabled":
		fmt.Fprintf(&b, "%s is out of service", quote(k.Key))
		if !k.Since.IsZero() {
			fmt.Fprintf(&b, ", disabled by %s since %s", k.Holder, clock(k.Since, now))
		}
		if !k.Expires.IsZero() {
			fmt.Fprintf(&b, " until %s", clock(k.Expires, now))
		}
	case "foreign":
		fmt.Fprintf(&b, "%s is locked by another program (%s)", quote(k.Key), k.ID)
		if !k.Expires.IsZero() {
			fmt.Fprintf(&b, " until %s", clock(k.Expires, now))
		}
	default:
		fmt.Fprintf(&b, "%s is held by %s since %s, lease until %s unless renewed", quote(k.Key), k.Holder, clock(k.Since, now), clock(k.Expires, now))
	}
	if k.Reason != "" {
		fmt.Fprintf(&b, ", reason: %s", k.Reason)
	}
	return oneLine(b.String())
}

// oneLine writes out what would break the line or colour the terminal: reasons
// and the names of tests are other people's text.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clock prints a moment with its distance, which is what a reader wants to know
// and what survives a reader in another time zone.
func clock(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	s := t.UTC().Format("15:04:05Z")
	if now.IsZero() {
		return s
	}
	if d := now.Sub(t); d >= 0 {
		return s + " (" + short(d) + " ago)"
	}
	return s + " (in " + short(t.Sub(now)) + ")"
}

// wanted words requirements for a message: `2 of boards (board-1, board-2 and
// 3 more) and staging (shared)`.
func wanted(reqs []Requirement) string {
	if len(reqs) == 0 {
		return "nothing"
	}
	var parts []string
	for _, r := range reqs {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, " and ")
}

// keysShown bounds how many candidates a message lists.
const keysShown = 5

// String words the requirement for a message.
func (r Requirement) String() string {
	var b strings.Builder
	only := len(r.Candidates) == 1 && r.Units() == 1
	if !only {
		fmt.Fprintf(&b, "%d of ", r.Units())
	}
	if r.Name != "" {
		b.WriteString(quote(r.Name))
	}
	var keys []string
	for i, c := range r.Candidates {
		if i == keysShown && len(r.Candidates) > keysShown+1 {
			keys = append(keys, fmt.Sprintf("… %d more", len(r.Candidates)-i))
			break
		}
		keys = append(keys, quote(c.Key))
	}
	switch list := strings.Join(keys, ", "); {
	case only && r.Name == "":
		b.WriteString(list)
	case only && r.Name == r.Candidates[0].Key:
	case r.Name == "":
		b.WriteString("[" + list + "]")
	case len(keys) > 0:
		b.WriteString(" [" + list + "]")
	}
	return b.String() + r.modeWords()
}

// modeWords ends the words of a requirement that is not exclusive.
func (r Requirement) modeWords() string {
	switch {
	case r.Shared:
		return " (shared)"
	case r.Seats > 0:
		return " (" + count(r.Seats, "seat") + " each)"
	}
	return ""
}

// quote leaves plain names alone and quotes what would blur a message; long
// names are cut in the middle, where they differ least.
func quote(s string) string {
	if r := []rune(s); len(r) > 120 {
		s = string(r[:60]) + "…" + string(r[len(r)-40:])
	}
	if s == "" || strings.ContainsAny(s, " \t\r\n\"'`,;[]()") || strconv.Quote(s) != `"`+s+`"` {
		return strconv.Quote(s)
	}
	return s
}

// count is a number of things, in words that fit it.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// short rounds a duration to what a person reads.
func short(d time.Duration) string {
	switch {
	case d < time.Second-50*time.Millisecond: // a limit of 1 s is over after 999 ms: that is 1 s to a person
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// place words the place in line, and when it is expected to be served.
func (e *BusyError) place() string {
	switch {
	case e.StoreError != nil:
		return fmt.Sprintf("; the store has not answered for %s: %s", short(e.Silent), oneLine(clip(e.StoreError.Error(), storeErrorShown)))
	case e.Position == 0:
		return ""
	case e.Start.IsZero():
		return fmt.Sprintf("; %s in line", ordinal(e.Position))
	}
	return fmt.Sprintf("; %s in line, expected %s", ordinal(e.Position), about(e.Start.Sub(e.Time)))
}

// about words a guess of how long something takes. It is no more exact than it can
// be.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return "any moment"
	case d < 90*time.Second:
		return fmt.Sprintf("in about %d s", int(d.Round(time.Second)/time.Second))
	case d < 90*time.Minute:
		return fmt.Sprintf("in about %d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("in about %d h", int(d.Round(time.Hour)/time.Hour))
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}
