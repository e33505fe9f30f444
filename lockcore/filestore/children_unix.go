//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// childDescriptor is the lowest number of the descriptor that children inherit:
// beyond those that scripts, and the jobserver of make, use for themselves.
const childDescriptor = 200

// LiveInChildren has the processes that this one starts from now on count for it: a
// store whose process was killed is not known to be dead before they have ended, too.
// It is for a program that starts another one to use what it holds:
//
//	t0  lock holds board-1 and starts flash-tool
//	t1  kill -9 of lock; the kernel drops its locks,
//	t2  and kills flash-tool, as lock has asked it to
//
// Without LiveInChildren somebody could be given board-1 between t1 and t2. The
// leases end with their TTL all the same, since nobody renews them.
func (s *Store) LiveInChildren() error {
	_, err := s.shareWithChildren()
	return err
}

func (s *Store) shareWithChildren() (fd int, err error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.alive == nil {
		return -1, fmt.Errorf("%s: the store is closed", s.name)
	}
	// A lock of flock(2) belongs to the open file, which a duplicate shares; this one
	// is not closed on exec.
	fd, err = unix.FcntlInt(uintptr(s.alive.fd), unix.F_DUPFD, childDescriptor)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", s.name, err)
	}
	return fd, nil
}
