package storeurl

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestErrorsNameTheMistakeAndTheMend(t *testing.T) {
	for raw, want := range map[string]string{
		"nfs://host/dir":               `storeurl: no store has the scheme "nfs"; known are `,
		"locks":                        "storeurl: the store URL has no scheme: start it with one of ",
		"/tmp/locks":                   "storeurl: the store URL has no scheme: start it with one of ",
		"file:locks":                   "storeurl: the path of file:locks is relative, and go test runs every package in its own directory: write the full path, as in file:///var/lib/rtest",
		"file://tmp/locks":             "storeurl: file://tmp… names a host; a directory of this machine has three slashes: file:///tmp/locks",
		"mem:one":                      "storeurl: mem: takes no name; use ?namespace=NAME to keep pools apart",
		"mem:?lock_dely=1s":            `storeurl: mem: does not know the parameter "lock_dely"; it knows lock_delay, namespace, policy`,
		"file:?lock_delay=30":          `storeurl: the parameter lock_delay is "30"; it takes a duration such as 30s`,
		"file:?lock_delay=-1s":         `storeurl: the parameter lock_delay is "-1s"; it takes a duration such as 30s`,
		"mem:?policy=lifo":             `storeurl: policy "lifo" is unknown: use backfill or fifo`,
		"mem:?namespace=":              `storeurl: the parameter namespace takes one value that is not empty, not [""]`,
		"mem:?namespace=a&namespace=b": `storeurl: the parameter namespace takes one value that is not empty, not ["a" "b"]`,
		"mem:?%zz":                     "storeurl: the part after ? of the mem: URL cannot be read: a % is not followed by two hexadecimal digits: write it as %25",
		"mem:?a;b":                     "storeurl: the part after ? of the mem: URL cannot be read: a ; does not separate parameters: use &",
		"/tmp/rtest":                   "; a directory is file:///tmp/rtest",
		"~/rtest":                      "; a directory is file:// and its full path, as in file:///home/me/locks",
		"file:~/rtest":                 "storeurl: the path of file:~/rtest begins with ~, which a shell replaces and nobody else: write the full path",
		`"redis://:hush@host"`:         "storeurl: the store URL begins with a quotation mark",
		"redis://:hush@host\nredis://": "storeurl: the store URL has a line break",
		"file:///%zz":                  "storeurl: the path of file:///%zz cannot be read: a % is written %25",
		"file://u:hush@nas/share":      "storeurl: file://…@nas… names a host; a directory of this machine has three slashes: file:///…@nas/share",
		`c:\locks`:                     "; a directory is file:///C:/locks",
		"localhost:6379":               "; for the Redis server on that host, write redis://localhost:6379",
		"redis//localhost":             `; there is a : missing after "redis"`,
		"redis:localhost":              "storeurl: redis: must be followed by //, as in redis://host:6379/0",
		"redlock:a,b,c":                "storeurl: redlock: must be followed by //, as in redlock://host1,host2,host3",
		"rediis://host":                "; did you mean redis:?",
		"redsi://host":                 `storeurl: no store has the scheme "redsi"; known are mem:, file:, redis://, rediss://, unix://, redis+sentinel://, redis+cluster://, redlock://; did you mean redis:?`,
		"valkey://host":                "; did you mean redis:?",
		"sentinel://host/m":            "; did you mean redis+sentinel:?",
		"redis+sentinel://host":        "storeurl: redisstore: redis+sentinel://host:26379: the name of the master is missing",
		"redis://host?poolsize=3":      "storeurl: redisstore: redis://host:6379: the parameter poolsize is not known; known are ",
		"redis://u:hush@host:x":        "storeurl: redisstore: ",
		"redis://u:hush?sh@host/0":     "storeurl: there is an @ after the ? of the redis: URL: in a user or password, write ? as %3F",
		"redlock://a,b":                "storeurl: quorumstore: 2 servers in ",
		"redlock://u:hush@a,b,c?wait=": `storeurl: quorumstore: unknown parameter "wait" in the URL`,
	} {
		s, err := Open(t.Context(), raw)
		if assert.Error(t, err, raw) {
			assert.Contains(t, err.Error(), want, raw)
			assert.NotContains(t, err.Error(), "hush", raw)
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
	const mark = "STOREURL_CHILD"
	if os.Getenv(mark) == "" { // a process whose user has an empty directory
		home := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), mark+"=1", "XDG_CACHE_HOME="+home, "HOME="+home, "LocalAppData="+home)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", out)
		return
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	t.Setenv("HOME", t.TempDir()) // what a test changes later is not asked
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("LocalAppData", t.TempDir())
	for _, raw := range []string{"", "file:", " file:\n"} {
		s, err := Open(t.Context(), raw)
		require.NoError(t, err)
		assert.Equal(t, "file:"+filepath.Join(cache, "rtest"), s.String())
		require.NoError(t, s.Close())
	}
}

// A secret that a job does not get is an empty variable.
func TestAnEmptyVariableIsNotTheDefault(t *testing.T) {
	t.Setenv("RTEST_URL", "")
	_, err := Open(t.Context(), os.Getenv("RTEST_URL"))
	if assert.Error(t, err) {
		assert.Contains(t, err.Error(), "storeurl: the environment variable RTEST_URL is set but empty")
	}
	t.Setenv("RTEST_NAMESPACE", "")
	_, err = Open(t.Context(), "mem:")
	if assert.Error(t, err) {
		assert.Contains(t, err.Error(), "storeurl: the environment variable RTEST_NAMESPACE is set but empty")
	}
	s, err := Open(t.Context(), "mem:?namespace=named")
	require.NoError(t, err, "nobody asks the variable")
	require.NoError(t, s.Close())
	t.Setenv("RTEST_NAMESPACE", "lab\n")
	s, err = Open(t.Context(), "mem:")
	require.NoError(t, err)
	assert.Equal(t, "mem: (namespace lab)", s.String())
	require.NoError(t, s.Close())
}

func TestDirectories(t *testing.T) {
	for rest, want := range map[string]string{
		"": "", "//": "", "/a/b": "/a/b", "///a/b": "/a/b", "//localhost/a": "/a", "///a%20b%23/%25": "/a b#/%", "///a b": "/a b", "///ä": "/ä",
	} {
		got, err := directory(rest)
		require.NoError(t, err, rest)
		assert.Equal(t, filepath.FromSlash(want), got, rest)
	}
}

// The servers of these tests are in memory, and do not check anything but that
// the right store gets the right namespace.
func TestServers(t *testing.T) {
	var hosts []string
	for range 3 {
		hosts = append(hosts, miniredis.RunT(t).Addr())
	}
	for scheme, raw := range map[string]string{
		"redis": "redis://" + hosts[0] + "/0", "REDIS": "REDIS://" + hosts[0] + "/0", "redlock": "redlock://" + strings.Join(hosts, ","),
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Setenv("RTEST_NAMESPACE", "from-env-"+scheme)
			var lockers []*lockcore.Locker
			for _, parameter := range []string{"", "?namespace=from-env-" + scheme, "?namespace=other%20" + scheme} {
				s, err := Open(t.Context(), raw+parameter)
				require.NoError(t, err)
				l := lockcore.New(s, nil)
				defer l.Close()
				lockers = append(lockers, l)
			}
			req := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "k"}}}}}
			_, err := lockers[0].TryAcquire(t.Context(), req)
			require.NoError(t, err)
			_, err = lockers[1].TryAcquire(t.Context(), req)
			assert.ErrorIs(t, err, lockcore.ErrBusy, "the namespace of the environment and of the URL are the same")
			_, err = lockers[2].TryAcquire(t.Context(), req)
			assert.NoError(t, err, "the namespaces differ")
		})
	}
}

func TestPolicy(t *testing.T) {
	raw := "file://" + filepath.ToSlash(t.TempDir()) + "?policy="
	s, err := Open(t.Context(), raw+"fifo")
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Ask(t.Context(), &lockcore.Ticket{ID: "holder", TTL: time.Hour}, nil)
	require.NoError(t, err)
	_, err = Open(t.Context(), raw+"backfill")
	assert.ErrorContains(t, err, "it is in use under policy=fifo, this client was opened for policy=backfill")

	_, err = Open(t.Context(), "mem:?policy=fifo&namespace=TestPolicy")
	require.NoError(t, err)
	_, err = Open(t.Context(), "mem:?policy=fifo&namespace=TestPolicy")
	require.NoError(t, err)
	_, err = Open(t.Context(), "mem:?namespace=TestPolicy")
	assert.ErrorContains(t, err, "uses it under policy=fifo already, not policy=backfill")
}

// FuzzOpen looks for URLs that crash the parser or that give a password away.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"", "mem:", "file:", "file:///a%20b", "redis://u:%s@h:1/0", "rediss://:%s@[::1]/x", "redlock://a,b:%s@c", "%s://", "mem:?%s=1",
		"unix:///s?db=1", "redis+sentinel://u:%s@h1,h2/m?namespace=x", "redis+cluster://h1:1,h2:2", "localhost:6379", `c:\x`, "redis://u:%s@h?read_timeout=1s", "/://%s@", "file:a://%s@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		const password = "s3cr3t-p4ss"
		raw = strings.ReplaceAll(raw, "%s@", ":"+password+"@")
		a, err := parse(raw)
		var s lockcore.Store
		switch {
		case err != nil:
		case a.scheme == "file": // to open it would make directories
			_, err = directory(strings.TrimPrefix(a.base, "file:"))
		default:
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // what needs a server need not be tried
			s, err = openers[a.scheme](ctx, a)
		}
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "storeurl: "), "the error does not say who speaks: %v", err)
			if strings.Contains(raw, "://") {
				require.NotContains(t, err.Error(), password)
			}
		}
		if s != nil {
			require.NotContains(t, s.String(), password)
			_ = s.Close()
		}
	})
}
