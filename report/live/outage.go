package live

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Disabled says what became of keys that were to be taken out of service.
type Disabled struct {
	Keys []string          // out of service by this call
	Left []lockcore.Holder // the outages of those that were it already, and stay as they were
	Held []lockcore.Holder // who holds keys, or has lost them by Outage.Now
	// Ends are the ends of timed outages, by key. A key is missing where the store could not
	// be asked once it was done.
	Ends map[string]time.Time

	took bool // Held have lost them
}

// Disable takes keys out of service and looks at what the store made of it, so that this
// can be told and recorded: a store doubles the time of repeated outages, and a call that
// says for how long leaves a key alone that is out of service.
//
//	0:00  For 10m    until 0:10
//	0:10  For 10m    until 0:30
//	0:20  For 10m    left: until 0:30, by whom it was before
func Disable(ctx context.Context, l *lockcore.Locker, o lockcore.Outage) (Disabled, error) {
	d := Disabled{Keys: o.Keys, took: o.Now}
	var before lockcore.Snapshot
	var err error
	if o.For > 0 {
		if before, err = l.Snapshot(ctx); err != nil {
			return d, err
		}
	}
	if d.Held, err = l.Disable(ctx, o); err != nil || o.For <= 0 {
		return d, err
	}
	after, err := l.Snapshot(ctx)
	if err != nil {
		return d, nil // it is done, and only what was made of it is unknown
	}
	was, is := outagesOf(before, o.Keys), outagesOf(after, o.Keys)
	d.Keys, d.Ends = nil, map[string]time.Time{}
	for _, k := range o.Keys {
		_, out := was[k]
		h, still := is[k]
		// An outage that ended after the first look has begun anew since.
		if out && still && !h.Since.After(before.Time) {
			d.Left = append(d.Left, h)
			continue
		}
		d.Keys = append(d.Keys, k)
		if still && !h.Expires.IsZero() {
			d.Ends[k] = h.Expires
		}
	}
	return d, nil
}

// outagesOf finds the outages of keys in a snapshot.
func outagesOf(s lockcore.Snapshot, keys []string) map[string]lockcore.Holder {
	out := map[string]lockcore.Holder{}
	for _, h := range s.Holders {
		for _, k := range h.Keys() {
			if h.State == "disabled" && slices.Contains(keys, k) {
				out[k] = h
			}
		}
	}
	return out
}

// Deeds words what was done for the record: a deed has one end, so keys that end at
// several times stand in several. From whom a key was taken that stays out of service as it
// was, it was freed.
func (d *Disabled) Deeds(by, reason string) (deeds []Deed) {
	for _, k := range d.Keys {
		end := d.Ends[k].UTC()
		i := slices.IndexFunc(deeds, func(e Deed) bool { return e.Until.Equal(end) })
		if i < 0 {
			i = len(deeds)
			deeds = append(deeds, Deed{Action: "disable", By: by, Reason: reason, Until: end})
		}
		deeds[i].Keys = append(deeds[i].Keys, k)
	}
	slices.SortStableFunc(deeds, func(a, b Deed) int { return cmp.Compare(a.Until.UnixMicro(), b.Until.UnixMicro()) })
	for _, out := range d.Left {
		for _, k := range out.Keys() {
			if d.took && slices.ContainsFunc(d.Held, func(h lockcore.Holder) bool { return slices.Contains(h.Keys(), k) }) {
				deeds = append(deeds, Deed{Action: "free", Keys: []string{k}, By: by, Reason: reason})
			}
		}
	}
	return deeds
}
