package memstore_test

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

var harness = locktest.Harness{
	Open: func(t testing.TB, namespace string) lockcore.Store { return memstore.Shared(namespace, nil) },
	OpenFIFO: func(t testing.TB, namespace string) lockcore.Store {
		return memstore.Shared(namespace, &memstore.Options{Policy: lockcore.FIFO})
	},
}

func TestConformance(t *testing.T) { locktest.TestStore(t, harness) }

func BenchmarkMemstore(b *testing.B) { locktest.BenchmarkStore(b, harness) }
