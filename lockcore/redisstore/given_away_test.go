package redisstore_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// The vacant ones of a long list are read 64 at a time. Of two who wait for some of
// them, in the order of their lists, the first gets just what the second has read, and what
// it reads next: it reads on.
func TestTheNextReadsPastWhatWasGivenAway(t *testing.T) {
	t.Parallel()
	st := open(t, miniredis.RunT(t).Addr(), redisstore.Options{})
	keys := numbered(200)
	other := append([]string{keys[1], keys[0]}, keys[2:]...)
	some := func(id string, n int, keys []string) *lockcore.Ticket {
		r := of(n, keys...)
		r.Choice = lockcore.InOrder
		tk := ticket(id, time.Hour, r)
		tk.Wait = true
		return tk
	}
	all := granted(t, st, some("all", 200, keys))
	woken := make(chan string, 2)
	for _, tk := range []*lockcore.Ticket{some("first", 128, keys), some("second", 1, other)} {
		ans, err := st.Ask(t.Context(), tk, func(*lockcore.Grant) { woken <- tk.ID })
		if err != nil || ans.Grant != nil {
			t.Fatalf("%s: %v, %v, and all were taken", tk.ID, ans.Grant, err)
		}
	}
	if err := st.Release(t.Context(), all, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		if got := arrives(t, want+" is told of its grant", woken); got != want {
			t.Errorf("%s is told of its grant, want %s", got, want)
		}
	}
}
