package eventlog

import "github.com/resourcelocker/resourcelocker/lockcore"

// SetLine notes the place in line and who is in the way, as the store told it. All that
// wait write it alike, so that a report can follow one blocker through their events.
func (e *Event) SetLine(b *lockcore.BusyError) {
	e.Srv, e.Since, e.QueuePos = b.Time.UTC(), b.Since.UTC(), b.Position
	e.Blockers = make([]Blocker, len(b.Blockers))
	for i, k := range b.Blockers {
		e.Blockers[i] = Blocker{Key: k.Key, Req: k.ID, Run: k.Holder.Run, URL: k.Holder.URL, Pkg: k.Holder.Package, Test: k.Holder.Test,
			Host: k.Holder.Host, PID: k.Holder.PID, User: k.Holder.User, Since: k.Since.UTC(), Expires: k.Expires.UTC()}
		if k.State != "held" { // the usual one is left out
			e.Blockers[i].State = k.State
		}
	}
}
