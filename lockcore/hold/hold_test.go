package hold_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/hold"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

type Board struct{ Name, FW string }

func (b Board) ResourceKey() string { return b.Name }

type named string

func (n named) String() string { return "n-" + string(n) }

func newLocker(t *testing.T) *lockcore.Locker {
	l := lockcore.New(memstore.New(nil), nil)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func held(t *testing.T, l *lockcore.Locker) (keys []string) {
	s, err := l.Snapshot(t.Context())
	require.NoError(t, err)
	for _, h := range s.Holders {
		keys = append(keys, h.Keys()...)
	}
	return keys
}

func TestItIsHeldWhileTheFunctionRuns(t *testing.T) {
	l := newLocker(t)
	wrong := errors.New("on purpose")
	for name, ends := range map[string]func() error{
		"returns": func() error { return nil }, "fails": func() error { return wrong }, "panics": func() error { panic("on purpose") },
		"exits": func() error { runtime.Goexit(); return nil },
	} {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			err := hold.Do(t.Context(), l, hold.Pool[Board]{Items: []Board{{"b1", "4"}}}, func(ctx context.Context, got []Board) error {
				assert.Equal(t, []Board{{"b1", "4"}}, got)
				assert.NoError(t, ctx.Err())
				assert.Equal(t, []string{"b1"}, held(t, l), name)
				return ends()
			})
			if name == "fails" {
				assert.Equal(t, wrong, err)
			} else {
				assert.NoError(t, err)
			}
		})
		wg.Wait()
		assert.Empty(t, held(t, l), name)
	}
}

func TestTwoPoolsAllOrNothing(t *testing.T) {
	l := newLocker(t)
	boards := hold.Pool[string]{Name: "boards", Items: []string{"b1", "b2"}, Need: 2}
	chamber := hold.Pool[named]{Items: []named{"c"}}
	err := hold.Do2(t.Context(), l, boards, chamber, func(ctx context.Context, b []string, c []named) error {
		assert.ElementsMatch(t, []string{"b1", "b2"}, b)
		assert.Equal(t, []named{"c"}, c)
		ctx2, cancel := context.WithCancel(ctx)
		cancel()
		err := hold.Do(ctx2, l, boards, func(context.Context, []string) error { t.Error("called"); return nil })
		assert.ErrorIs(t, err, lockcore.ErrBusy)
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, held(t, l))
}

func TestTheContextEndsWithTheLeaseAndWithTheCallers(t *testing.T) {
	store := memstore.New(nil)
	l := lockcore.New(store, nil)
	defer l.Close()
	pool := hold.Pool[string]{Items: []string{"b1"}}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	err := hold.Do(ctx, l, pool, func(ctx context.Context, _ []string) error {
		cancel(why)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	assert.Equal(t, why, err)
	assert.Empty(t, held(t, l), "given back though the context was over")

	err = hold.Do(t.Context(), l, hold.Pool[string]{Items: []string{"b1"}, Seats: 2, Need: 2}, func(ctx context.Context, got []string) error {
		assert.Equal(t, []string{"b1", "b1"}, got)
		_, err := store.Free(ctx, "b1", "by hand")
		return err
	})
	assert.ErrorIs(t, err, lockcore.ErrLost, "whoever gives it back learns that it was taken away")
}

func TestMistakes(t *testing.T) {
	l := newLocker(t)
	nothing := func(context.Context, []int) error { t.Error("called"); return nil }
	for want, err := range map[string]error{
		`hold: pool "x": item 1 is a int, which has no key: set Pool.Key`: hold.Do(t.Context(), l, hold.Pool[int]{Name: "x", Items: []int{1}}, nothing),
		"hold: a pool without a name: the key of item 2 is empty":         hold.Do(t.Context(), l, hold.Pool[int]{Items: []int{1, 2}, Key: func(i int) string { return []string{"", "a", ""}[i] }}, nothing),
		`item 2 has the key "k" of an earlier one`:                        hold.Do(t.Context(), l, hold.Pool[int]{Items: []int{1, 2}, Key: func(int) string { return "k" }}, nothing),
		"it has no candidates":                                            hold.Do(t.Context(), l, hold.Pool[int]{}, nothing),
		"hold: Do was given no function":                                  hold.Do(t.Context(), l, hold.Pool[int]{}, nil),
		"hold: Do2 was given no function":                                 hold.Do2[int, int](t.Context(), l, hold.Pool[int]{}, hold.Pool[int]{}, nil),
		"this Locker is nil or has no store":                              hold.Do(t.Context(), nil, hold.Pool[string]{Items: []string{"a"}}, func(context.Context, []string) error { return nil }),
	} {
		if assert.Error(t, err, want) {
			assert.Contains(t, err.Error(), want)
		}
	}
}

func ExampleDo() {
	locker := lockcore.New(memstore.New(nil), nil) // storeurl.Open opens one that others share
	defer locker.Close()
	rack := hold.Pool[Board]{Name: "boards", Items: []Board{{"board-1", "4.2"}}}
	err := hold.Do(context.Background(), locker, rack, func(ctx context.Context, got []Board) error {
		fmt.Println("flashing", got[0].Name, "over firmware", got[0].FW)
		return nil
	})
	fmt.Println(err)
	// Output:
	// flashing board-1 over firmware 4.2
	// <nil>
}

func ExampleDo2() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	boards := hold.Pool[string]{Name: "boards", Items: []string{"board-1", "board-2"}, Need: 2}
	staging := hold.Pool[string]{Items: []string{"staging"}, Shared: true}
	err := hold.Do2(context.Background(), locker, boards, staging, func(_ context.Context, b, s []string) error {
		fmt.Println(len(b), "boards and", s[0])
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 boards and staging
	// <nil>
}

func ExamplePool() {
	licences := hold.Pool[string]{Name: "licences", Items: []string{"compiler"}, Seats: 4}
	fmt.Println(licences.Name, licences.Items)
	// Output: licences [compiler]
}
