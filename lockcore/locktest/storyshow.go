package locktest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// served tells of the waiters that were granted since the last directive.
func (s *story) served(t *testing.T, out *strings.Builder) {
	snap := s.snapshot(t)
	slices.SortFunc(snap.Holders, func(a, b lockcore.Holder) int { return cmp.Compare(a.Token, b.Token) })
	for _, h := range snap.Holders {
		name := nameOf(h.ID)
		tk := s.tickets[name]
		if tk == nil {
			continue // it stands in for a lease that expired, or keeps a key out of service
		}
		if g := s.grants[name]; g == nil || g.Token != h.Token {
			s.grants[name] = &lockcore.Grant{Ticket: tk, Obtained: h.Obtained, Token: h.Token}
		}
		s.number(h.Token)
		if h.State == "granted" && !s.told[h.Token] {
			s.told[h.Token] = true
			fmt.Fprintf(out, "%s now has %v%s\n", name, h.Obtained, pastOthers(s.past[h.Token]))
		}
	}
}

func pastOthers(past bool) string {
	if past {
		return ", past others"
	}
	return ""
}

// number is how many grants there were up to this token: what it would be if every
// grant had the next number.
func (s *story) number(token uint64) int {
	i, found := slices.BinarySearch(s.tokens, token)
	if !found {
		s.tokens = slices.Insert(s.tokens, i, token)
	}
	return i + 1
}

func (s *story) show(t *testing.T, out *strings.Builder) {
	snap := s.snapshot(t)
	// A store may count in microseconds, or take the token for the time of the grant.
	since := func(at time.Time) time.Duration { return at.Sub(s.start).Round(time.Millisecond) }
	for _, h := range snap.Holders {
		until := "enabled"
		if !h.Expires.IsZero() {
			until = since(h.Expires).String()
		}
		if name := nameOf(h.ID); h.State == "disabled" {
			fmt.Fprintf(out, "%v disabled by %s since %s until %s", h.Keys(), h.Owner, since(h.Since), until)
		} else {
			fmt.Fprintf(out, "%s %s %v since %s until %s", name, h.State, h.Obtained, since(h.Since), until)
		}
		if h.Reason != "" {
			fmt.Fprintf(out, " (%s)", h.Reason)
		}
		fmt.Fprintln(out)
	}
	for _, w := range snap.Waiters {
		fmt.Fprintf(out, "%s waits, reserved %v\n", nameOf(w.ID), slices.Sorted(slices.Values(w.Reserved)))
	}
	if len(snap.Holders)+len(snap.Waiters) == 0 {
		fmt.Fprintln(out, "nobody")
	}
}

func (s *story) why(t *testing.T, name string, out *strings.Builder) {
	snap := s.snapshot(t)
	e := &lockcore.BusyError{}
	e.Position, e.Blockers = snap.Blockers(&lockcore.Waiter{ID: s.id(name), Requirements: s.tickets[name].Requirements})
	fmt.Fprintf(out, "place %d\n", e.Position)
	for _, b := range e.Blockers {
		fmt.Fprintf(out, "%s: %s %s\n", b.Key, b.State, nameOf(b.ID))
	}
	if err := snap.Deadlock(s.id(name)); err != nil {
		fmt.Fprintln(out, strings.ReplaceAll(err.Error(), again, ""))
	}
}

var (
	whichKey = regexp.MustCompile(`"[^"\n]*" was given`)
	whenAsks = regexp.MustCompile(`(?m)^waits, asks again in .*$`)
	nowHas   = regexp.MustCompile(`(?m)^(.* now has .*?)(, past others)?$`)
)

// common is what every store says of it. One says which key of a lease was given
// away; a few tell a waiter only that it was granted, and not what.
func (s *story) common(text string) string {
	text = whichKey.ReplaceAllString(text, "its keys were given")
	text = strings.ReplaceAll(text, " or taken out of service since", " since")
	if !s.Polls {
		text = whenAsks.ReplaceAllString(text, "waits")
	}
	if len(s.past) == 0 {
		text = nowHas.ReplaceAllString(text, "$1")
	}
	return text
}
