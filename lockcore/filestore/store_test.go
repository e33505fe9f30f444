package filestore

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	locktest.TestStore(t, locktest.Harness{Open: func(t testing.TB, namespace string) lockcore.Store {
		s, err := Open(t.Context(), dir, &Options{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}
