package inventory

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefault(t *testing.T) {
	_, err := Default()
	assert.ErrorIs(t, err, ErrNone)
	for value, want := range map[string]string{
		"":                "the environment variable RTEST_POOLS is set but empty",
		"lab.yml":         `RTEST_POOLS is relative, and go test runs every package in its own directory: write the full path, as in RTEST_POOLS="$PWD/lab.yml"`,
		"~/lab.yml":       "RTEST_POOLS begins with ~",
		"'/lab.yml'":      "RTEST_POOLS begins with a quotation mark",
		"redis://h/1":     "the environment variable RTEST_POOLS names the inventory by redis://: want a path, http:// or https://",
		"file:///lab.yml": "the environment variable RTEST_POOLS names the inventory by file://",
	} {
		t.Setenv("RTEST_POOLS", value)
		_, err := Default()
		assert.ErrorContains(t, err, want, value)
	}
	path := filepath.Join(t.TempDir(), "lab.yml")
	for _, value := range []string{path, "https://lab.example/pools"} {
		t.Setenv("RTEST_POOLS", value+"\n") // as a file leaves it
		s, err := Default()
		require.NoError(t, err)
		assert.Equal(t, value, s.String())
	}
}
