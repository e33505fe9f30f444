package lockcore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/filestore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// A locker that has no store says so, whatever is asked of it.
func TestALockerWithoutAStore(t *testing.T) {
	ctx := t.Context()
	for name, l := range map[string]*lockcore.Locker{
		"nil": nil, "not made by New": {}, "of nil": lockcore.New(nil, nil), "of a store that was not opened": lockcore.New((*filestore.Store)(nil), nil),
	} {
		for call, f := range map[string]func() error{
			"Acquire":           func() error { _, err := l.Acquire(ctx, wanting("k")); return err },
			"TryAcquire":        func() error { _, err := l.TryAcquire(ctx, wanting("k")); return err },
			"Snapshot":          func() error { _, err := l.Snapshot(ctx); return err },
			"History":           func() error { _, err := l.History(ctx); return err },
			"Adopt":             func() error { _, err := l.Adopt(ctx, &lockcore.Grant{}); return err },
			"Reserve":           func() error { _, err := l.Reserve(ctx, lockcore.Request{For: 1}); return err },
			"EndReservation":    func() error { _, err := l.EndReservation(ctx, "", true, "k"); return err },
			"ExtendReservation": func() error { _, err := l.ExtendReservation(ctx, "", true, 1, "k"); return err },
			"Disable":           func() error { _, err := l.Disable(ctx, lockcore.Outage{}); return err },
			"Enable":            func() error { _, err := l.Enable(ctx, "k"); return err },
			"Close":             func() error { return l.Close() },
		} {
			err := f()
			if assert.Error(t, err, "%s of a locker that is %s", call, name) {
				assert.Contains(t, err.Error(), "lockcore: this Locker is nil or has no store: make it with lockcore.New", call)
			}
		}
	}
}

func TestNothingIsAnErrorInWords(t *testing.T) {
	l := lockcore.New(memstore.New(nil), nil)
	defer l.Close()
	var none context.Context
	_, err := l.Acquire(none, wanting("k"))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "lockcore: the context is nil")
	_, err = l.Adopt(t.Context(), nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "there is no grant to join: it is nil")
}

// The words of a number fit it.
func TestNumbersInWords(t *testing.T) {
	l := lockcore.New(memstore.New(nil), nil)
	defer l.Close()
	one := []lockcore.Candidate{{Key: "k"}}
	for want, r := range map[string]lockcore.Requirement{
		"need is 2, but it has only 1 candidate":                   {Candidates: one, Need: 2},
		"need is 2, but it has only 1 candidate with 1 seat each":  {Candidates: one, Need: 2, Seats: 1},
		"need is 5, but it has only 1 candidate with 4 seats each": {Candidates: one, Need: 5, Seats: 4},
		"need is 3, but it has only 2 candidates":                  {Candidates: []lockcore.Candidate{{Key: "k"}, {Key: "m"}}, Need: 3},
	} {
		_, err := l.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{r}})
		if assert.Error(t, err) {
			assert.Regexp(t, want+": request can never be satisfied$", err.Error())
		}
	}
	assert.Equal(t, "k (1 seat each)", lockcore.Requirement{Candidates: append(one, one...)[:1], Need: 1, Seats: 1, Name: ""}.String())
}

func wanting(key string) lockcore.Request {
	return lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: key}}}}}
}
