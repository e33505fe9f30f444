package rtest

import (
	"context"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// beforeEnd restores the items of a lease that is not kept, and notes for the next
// holder how its use ended. It returns what is to be said.
func (l *Lease) beforeEnd(keep time.Duration, failed bool) (words []string) {
	if !l.held.own() {
		return nil
	}
	stored := l.held.stored()
	if failed {
		stored.SetEnding(TestFailed)
	}
	var all []*care
	for i, w := range l.wishes {
		all = append(all, w.restoring(l.obtained[i])...)
	}
	if keep > 0 || len(all) == 0 || stored.Context().Err() != nil {
		return nil
	}
	unfit, took := careForAll(stored.Context(), context.Background(), deadlineOf(l.t), all)
	l.restored.Store(int64(took))
	for _, f := range unfit {
		stored.SetEnding(Unknown)
		words = append(words, f.words("Restore", l.putOut(f, "Restore")))
	}
	return words
}

// putOut takes an item out of service, and says so.
func (l *Lease) putOut(f *care, what string) string {
	l.log.unfit(f, l.token, l.spent())
	if l.quarantine == 0 {
		return "it stays in service"
	}
	ctx, cancel := context.WithTimeout(context.Background(), putOutLimit)
	defer cancel()
	o := lockcore.Outage{Keys: []string{f.key}, Owner: ownerOf(l.t, l.at), Reason: what + " failed: " + firstLine(f.err), For: l.quarantine}
	if _, err := l.locker.Disable(ctx, o); err != nil {
		return fmt.Sprintf("it could not be taken out of service (%v)", err)
	}
	return fmt.Sprintf("it is out of service for %s or longer; rtest-report enable ends that", short(l.quarantine))
}

// putOutLimit is how long the store may take to take an item out of service.
const putOutLimit = 5 * time.Second
