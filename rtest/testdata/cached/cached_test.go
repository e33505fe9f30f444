// Package cached acquires: go test must not answer for it from its cache.
package cached

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestCached(t *testing.T) { rtest.Acquire(t, rtest.R("cached-1")) }
