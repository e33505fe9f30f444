package filestore

import (
	"time"

	"golang.org/x/sys/unix"
)

// pause sleeps. [time.Sleep] rounds what is short up to a millisecond, because the
// runtime sleeps in epoll_wait(2), which counts in these.
func pause(d time.Duration) {
	if d >= time.Millisecond {
		time.Sleep(d)
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a signal may end it early, which is no harm
}
