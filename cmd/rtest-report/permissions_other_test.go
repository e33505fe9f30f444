//go:build unix && !linux

package main

import (
	"os"
	"testing"
)

func boundByPermissions(t *testing.T, _ string) {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("needs a user whom permissions bind, which root is not")
	}
}
