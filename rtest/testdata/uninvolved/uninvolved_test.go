// Package uninvolved acquires nothing, so that go test may cache its result.
package uninvolved

import "testing"

func TestUninvolved(t *testing.T) {}
