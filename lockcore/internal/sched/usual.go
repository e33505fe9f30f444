package sched

import "time"

// Of a request of which nothing is known, it is guessed that it takes the usual time:
// what about seven of ten tests of late did not exceed. The guess is made when the
// request comes, and stays. People are not told it: to them unknown is unknown.
//
// Without a guess nobody would be let past a waiter behind such a holder, and one run
// of a new test would idle all that is reserved for the others; it would wait longest
// itself. A guess that is wrong does as much harm as any other expectation.
//
// The usual time is one number, in whole microseconds. Each hold that took longer
// moves it up by 7/50, and each that took less down by 3/50: so it comes to rest where
// three of ten take longer. In simulations it does as well as that quantile of the last
// 200 holds, which would have to be kept.
//
//	usual    10 m  it was that for a while
//	a takes  20 m  usual 11.4 m
//	b takes   5 m  usual 10.7 m

const (
	usualUp, usualDown = 7, 3
	usualParts         = 50
)

// learnUsual moves the usual time after a test took so long.
func (s *State) learnUsual(took time.Duration) {
	us := took.Microseconds()
	switch {
	case s.usual == 0:
		s.usual = max(1, us)
	case us > s.usual:
		s.usual += max(1, s.usual*usualUp/usualParts)
	case us < s.usual:
		s.usual = max(1, s.usual-s.usual*usualDown/usualParts)
	}
}

// guess is how long somebody will hold of whom nothing is known; 0 if that is unknown,
// too.
func (s *State) guess() time.Duration { return time.Duration(s.usual) * time.Microsecond }
