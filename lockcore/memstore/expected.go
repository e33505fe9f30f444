package memstore

import (
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// ExpectedStarts says when the waiters of a snapshot are expected to be served; see
// [lockcore.Store].
func (s *Store) ExpectedStarts(snap lockcore.Snapshot, id string) map[string]time.Time {
	return sched.ExpectedStarts(&snap, s.policy, id)
}
