package redisstore_test

import (
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

func TestURLsThatAreRead(t *testing.T) {
	for url, want := range map[string]string{
		"redis://":                                             "redis://localhost:6379 (namespace default)",
		"redis://host":                                         "redis://host:6379 (namespace default)",
		"REDIS://host:1/3":                                     "redis://host:1/3 (namespace default)",
		"redis://user:se%40cret@host:1/3":                      "redis://host:1/3 (namespace default)",
		"redis://:secret@host":                                 "redis://host:6379 (namespace default)",
		"redis://us:er:sec@ret@host":                           "redis://host:6379 (namespace default)",
		"rediss://[::1]:7/0?skip_verify=true":                  "rediss://[::1]:7/0 (namespace default)",
		"unix:///run/a%20b.sock?db=2":                          "unix:///run/a b.sock (namespace default)",
		"redis://h?namespace=lab 1&pool_size=3&lock_delay=10s": "redis://h:6379 (namespace lab 1)",
		"redis+sentinel://:secret@h1,h2:5/mymaster/2":          "redis+sentinel://h1:26379,h2:5/mymaster/2 (namespace default)",
		"redis+sentinel://h1/m?sentinel_password=secret":       "redis+sentinel://h1:26379/m (namespace default)",
		"rediss+sentinel://h1/m":                               "rediss+sentinel://h1:26379/m (namespace default)",
		"redis+cluster://u:secret@h1,h2,h3:7?min_replicas=1":   "redis+cluster://h1:6379,h2:6379,h3:7 (namespace default)",
		"rediss+cluster://h1/0":                                "rediss+cluster://h1:6379/0 (namespace default)",
	} {
		s, err := redisstore.Open(t.Context(), url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("%s is %q, want %q", url, got, want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", url, err)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, want := range map[string]string{
		"":                                      "no ://",
		"redis:host":                            "no ://",
		"http://h":                              `"http" is not known: use redis`,
		"redis://h?pool_sice=3":                 "pool_sice is not known; known are client_name, conn_max_idle_time",
		"redis+sentinel://h/m?read_only=true":   "read_only is not known",
		"redis+cluster://h?db=2":                "db is not known",
		"redis://h?pool_size=many":              "pool_size",
		"redis://h?min_replicas=-1":             "min_replicas=-1: want a number of replicas",
		"redis://h?min_replicas=x":              "min_replicas=x",
		"redis://h?lock_delay=10":               "lock_delay=10: want a duration, such as 10s",
		"redis://h?interop=perl":                `interop is "perl", the only program known is python`,
		"redis+cluster://h?interop=python":      "does not work in a Cluster",
		"redis://h1,h2":                         "it names 2 hosts: use redis+sentinel",
		"redis://h/a":                           "database",
		"redis://h/1/2":                         "too much after the last /",
		"redis://h:port":                        `host "h:port" cannot be read`,
		"redis+sentinel://h":                    "the name of the master is missing",
		"redis+cluster://h/3":                   "a Cluster has no databases",
		"unix://run/redis.sock":                 "three slashes",
		"unix://":                               "three slashes",
		"redis://h?a=%zz":                       "after ?",
		"redis://u:secret%@h":                   "%25",
		"redis://u:sec/ret@h":                   "%2F",
		"redis://u:secret@h?pool_size=x":        "pool_size",
		"redis://u:secret@h:x":                  `host "h:x"`,
		"redis+sentinel://u:secret@h/m?nodes=1": "nodes is not known",
	} {
		s, err := redisstore.Open(t.Context(), url, nil)
		if err == nil {
			t.Errorf("%s was taken for %s", url, s)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%s: %q does not say %q", url, err, want)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ret@") {
			t.Errorf("%s: the password is in the error: %v", url, err)
		}
	}
}

// Every parameter that the error lists is one that go-redis reads.
func TestKnownParametersAreKnownToGoRedis(t *testing.T) {
	values := map[string]string{
		"namespace": "n", "interop": "", "lock_delay": "1s", "client_name": "x", "pool_fifo": "true", "skip_verify": "true",
		"sentinel_username": "u", "sentinel_password": "p", "policy": "fifo",
	}
	for _, base := range []string{"redis://h", "rediss://h", "rediss+sentinel://h/m", "unix:///s", "redis+sentinel://h/m", "redis+cluster://h"} {
		_, err := redisstore.Open(t.Context(), base+"?x=1", nil)
		if err == nil {
			t.Fatal("x is known")
		}
		_, known, _ := strings.Cut(err.Error(), "known are ")
		names := strings.Split(known, ", ")
		if len(names) < 20 {
			t.Fatalf("%v", err)
		}
		for _, name := range names {
			value, ok := values[name]
			if !ok {
				value = "1"
			}
			s, err := redisstore.Open(t.Context(), base+"?"+name+"="+value, nil)
			if err != nil {
				t.Errorf("%s: %v", base, err)
				continue
			}
			s.Close()
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("redis+sentinel://:p@h1,h2/m?x=1")
	f.Add("unix:///a")
	f.Fuzz(func(t *testing.T, rest string) {
		// Whatever follows, the password is in no error and in no name.
		for _, scheme := range []string{"redis", "redis+sentinel", "redis+cluster", "unix"} {
			s, err := redisstore.Open(t.Context(), scheme+"://u:hush-hush@"+rest, nil)
			if err == nil {
				err = errorOf(s.String())
				s.Close()
			}
			if strings.Contains(err.Error(), "hush") && !strings.Contains(rest, "hush") {
				t.Fatal(err)
			}
		}
	})
}

type errorOf string

func (e errorOf) Error() string { return string(e) }
