package rtest

import "github.com/resourcelocker/resourcelocker/lockcore/nested"

// Environ is for the environment of a process that the test starts and that may use
// what the test holds: a go test or a «rtest-report lock» in it that asks for one of
// the resources gets it from this lease, instead of waiting for the end of the test
// that waits for it. Several of them take turns.
//
//	cmd.Env = append(os.Environ(), lease.Environ()...)
//
// It is a setting of its own for each lease, and not of the process: a child of one
// test must not use what another test beside it holds.
func (l *Lease) Environ() []string {
	stored := l.held.stored()
	if stored == nil {
		return nil
	}
	if s := nested.Environ(stored); s != "" {
		return []string{s}
	}
	return nil
}
