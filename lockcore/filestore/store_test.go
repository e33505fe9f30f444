package filestore

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	under := func(p lockcore.QueuePolicy) func(testing.TB, string) lockcore.Store {
		return func(t testing.TB, namespace string) lockcore.Store {
			s, err := Open(t.Context(), dir, &Options{Namespace: namespace, Policy: p})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	locktest.TestStore(t, locktest.Harness{Open: under(lockcore.Backfill), OpenFIFO: under(lockcore.FIFO)})
}
