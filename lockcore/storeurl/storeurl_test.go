package storeurl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrorsNameTheMistakeAndTheMend(t *testing.T) {
	for raw, want := range map[string]string{
		"nfs://host/dir":               `storeurl: no store has the scheme "nfs"; known are `,
		"locks":                        "storeurl: the store URL has no scheme: start it with one of ",
		"/tmp/locks":                   "storeurl: the store URL has no scheme: start it with one of ",
		"file:locks":                   "storeurl: file:locks is relative, and every package of go test runs in its own directory: use an absolute path, as in file:///tmp/locks",
		"file://tmp/locks":             "storeurl: file://tmp… names a host; a directory of this machine has three slashes: file:///tmp/locks",
		"mem:one":                      "storeurl: mem: takes no name; use ?namespace=NAME to keep pools apart",
		"mem:?lock_dely=1s":            `storeurl: mem: does not know the parameter "lock_dely"; it knows lock_delay, namespace`,
		"file:?lock_delay=30":          `storeurl: the parameter lock_delay is "30"; it takes a duration such as 30s`,
		"file:?lock_delay=-1s":         `storeurl: the parameter lock_delay is "-1s"; it takes a duration such as 30s`,
		"mem:?namespace=":              `storeurl: the parameter namespace takes one value that is not empty, not [""]`,
		"mem:?namespace=a&namespace=b": `storeurl: the parameter namespace takes one value that is not empty, not ["a" "b"]`,
		"mem:?%zz":                     "storeurl: the query of the mem: URL cannot be read: ",
	} {
		s, err := Open(t.Context(), raw)
		if assert.Error(t, err, raw) {
			assert.Contains(t, err.Error(), want, raw)
		}
		assert.Nil(t, s, raw)
	}
}

func TestNamespaces(t *testing.T) {
	dir := t.TempDir()
	raw := "file://" + filepath.ToSlash(dir)
	t.Setenv("RTEST_NAMESPACE", "from-env")
	s, err := Open(t.Context(), raw)
	require.NoError(t, err)
	assert.Equal(t, "file:"+dir+" (namespace from-env)", s.String())
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), raw+"?namespace=from%20url")
	require.NoError(t, err)
	assert.Equal(t, "file:"+dir+" (namespace from url)", s.String())
	require.NoError(t, s.Close())
}

func TestEmptyMeansTheCacheDirectory(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv("LocalAppData", home)
	t.Setenv("RTEST_NAMESPACE", "")
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	for _, raw := range []string{"", "file:"} {
		s, err := Open(t.Context(), raw)
		require.NoError(t, err)
		assert.Equal(t, "file:"+filepath.Join(cache, "rtest"), s.String())
		require.NoError(t, s.Close())
	}
}

// FuzzOpen looks for URLs that crash the parser or that give a password away.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"", "mem:", "file:", "redis://u:%s@h:1/0", "rediss://:%s@[::1]/x", "redlock://a,b:%s@c", "%s://", "mem:?%s=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		const password = "s3cr3t-p4ss"
		if strings.HasPrefix(strings.ToLower(raw), "file") {
			return // it would make directories
		}
		s, err := Open(t.Context(), strings.ReplaceAll(raw, "%s@", ":"+password+"@"))
		if err != nil && strings.Contains(err.Error(), password) && strings.Contains(raw, "://") {
			t.Fatalf("the error gives the password away: %v", err)
		}
		if err == nil {
			_ = fmt.Sprint(s)
			s.Close()
		}
	})
}
