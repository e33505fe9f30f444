package ginkgolock

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// A label knows the pools of the inventory, without a call of Pool.
func TestLabelsKnowTheInventory(t *testing.T) {
	_, err := lookUp("gateways")
	assert.ErrorContains(t, err, `there is no pool named "gateways"`)
	assert.NotContains(t, err.Error(), "inventory", "nobody said that there is one")

	file := filepath.Join(t.TempDir(), "lab.yml")
	require.NoError(t, os.WriteFile(file, []byte("pools: {gateways: {items: [g1, g2, g3]}}"), 0o644))
	t.Setenv("RTEST_POOLS", file)
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	for label, keys := range map[string]int{"gateways": 1, "gateways*2": 2, "gateways*3:shared": 3} {
		arg, err := lookUp(label)
		require.NoError(t, err, label)
		l := rtest.Acquire(t, arg.(rtest.Arg), rtest.Using(locker))
		assert.Len(t, l.Keys(), keys, label)
		assert.Len(t, rtest.Pool("gateways").From(l), keys, label)
		l.Release()
	}
	_, err = lookUp("gateway")
	assert.ErrorContains(t, err, `the inventory does not help: `+file+` has no pool "gateway"; it has "gateways"`)
	t.Setenv("RTEST_POOLS", file+".old")
	_, err = lookUp("gateways")
	assert.ErrorContains(t, err, "no such file")
}
