package rtest

import "github.com/resourcelocker/resourcelocker/lockcore/nested"

// Environ lets a process that the test starts use this lease: a go test or a
// «rtest-report lock» in it that asks for one of the resources gets it from here.
// Without it, the process would wait for the test, and the test for the process.
// Several processes that ask for the same resource take turns.
//
//	cmd.Env = append(os.Environ(), lease.Environ()...)
//
// It is a setting of its own for each lease, and not of the process: a child of one
// test must not use what another test beside it holds.
func (l *Lease) Environ() []string {
	stored := l.sure("Environ").held.stored()
	if stored == nil {
		return nil
	}
	if s := nested.Environ(stored); s != "" {
		return []string{s}
	}
	return nil
}
