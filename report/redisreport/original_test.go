package redisreport_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
)

// golden is what resource_locker 1.0 (Python) left in Redis after the calls that
// countLikeOriginal makes, and what its Query then answered. It was recorded once
// by running it; it pins the format.
type golden struct {
	Redis map[string]any                                       `json:"redis"`
	Query map[string]map[string]map[redisreport.Aspect]float64 `json:"query"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/original.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func countLikeOriginal(r *redisreport.Reporter) {
	b1 := lockcore.Candidate{Key: "Board_1", Tags: map[string]string{"model": "k64f", "Fw.Version": "4.1.0"}}
	b2 := lockcore.Candidate{Key: "board 2", Tags: map[string]string{"model": " K64F ", "rack": "A:7"}}
	for range 3 {
		r.LockRequested(b1, b2)
	}
	r.LockSuccess(250*time.Millisecond, b1, b2)
	r.LockSuccess(time.Second, b1)
	r.LockSuccess(10*time.Microsecond, b1)
	r.LockReleased(25*time.Second, b1)
	r.LockReleased(12345678901*time.Nanosecond, b2)
	r.LockReleased(time.Hour+500*time.Millisecond, b1)
	r.LockFailed(b2)
	r.LockRequested(lockcore.Candidate{Key: "Straße \"ΟΔΟΣ\" İ/ü\n", Tags: map[string]string{"tier": ""}})
}

func TestWritesWhatTheOriginalWrites(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	countLikeOriginal(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want, got := readGolden(t).Redis, dump(t, client)
	if w, g := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(w, g) {
		t.Fatalf("keys\n got %q\nwant %q", g, w)
	}
	for key, w := range want {
		switch w := w.(type) {
		case []any:
			members := got[key].([]string)
			slices.Sort(members)
			if !slices.EqualFunc(members, w, func(a string, b any) bool { return a == b.(string) }) {
				t.Errorf("set %q: got %q, want %q", key, members, w)
			}
		case map[string]any:
			fields := got[key].(map[string]string)
			if len(fields) != len(w) {
				t.Errorf("hash %q: got %v, want %v", key, fields, w)
			}
			for f, v := range w {
				if !sameNumber(fields[f], v.(string)) {
					t.Errorf("%q in %q: got %q, want %q", f, key, fields[f], v)
				}
			}
		}
	}
}

// sameNumber wants counts to be the same text; sums of seconds may differ where
// adding in another order rounds otherwise, but not in how they are written: a
// Python reader parses them as JSON.
func sameNumber(got, want string) bool {
	if got == want {
		return true
	}
	g, err := strconv.ParseFloat(got, 64)
	if err != nil || !json.Valid([]byte(got)) {
		return false
	}
	w, err := strconv.ParseFloat(want, 64)
	if err != nil || w == math.Trunc(w) {
		return false
	}
	return math.Abs(g-w) < 1e-9
}

func TestReadsWhatTheOriginalWrote(t *testing.T) {
	client := startRedis(t)
	ctx := context.Background()
	g := readGolden(t)
	load(t, client, g.Redis)

	q := redisreport.Query{Client: client}
	tags, err := q.AllTags(ctx)
	if err != nil || !slices.Equal(tags, slices.Sorted(maps.Keys(g.Query))) {
		t.Fatalf("AllTags: %q, %v", tags, err)
	}
	for tag, values := range g.Query {
		got, err := q.AllValues(ctx, tag)
		if err != nil || !slices.Equal(got, slices.Sorted(maps.Keys(values))) {
			t.Errorf("AllValues(%q): %q, %v", tag, got, err)
		}
		for value, want := range values {
			all, err := q.AllAspects(ctx, tag, value)
			if err != nil || !maps.Equal(all, want) {
				t.Errorf("AllAspects(%q, %q): %v, %v; want %v", tag, value, all, err, want)
			}
			for a, sum := range want {
				if f, err := q.Aspect(ctx, tag, value, a); err != nil || f != sum {
					t.Errorf("Aspect(%q, %q, %s): %v, %v; want %v", tag, value, a, f, err, sum)
				}
			}
		}
	}
	// Raw and sanitised names are the same.
	if f, err := q.Aspect(ctx, "FW.version ", "4.1.0", redisreport.RequestCount); err != nil || f != 3 {
		t.Errorf("by raw names: %v, %v; want 3", f, err)
	}
}

func load(t *testing.T, client *redis.Client, data map[string]any) {
	t.Helper()
	for key, v := range data {
		var err error
		switch v := v.(type) {
		case []any:
			err = client.SAdd(context.Background(), key, v...).Err()
		case map[string]any:
			err = client.HSet(context.Background(), key, v).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAddsToWhatTheOriginalWrote(t *testing.T) {
	client := startRedis(t)
	load(t, client, readGolden(t).Redis)
	r := redisreport.New(client, nil)
	countLikeOriginal(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	q := redisreport.Query{Client: client}
	for tag, values := range readGolden(t).Query {
		for value, before := range values {
			for a, sum := range before {
				if f, err := q.Aspect(context.Background(), tag, value, a); err != nil || math.Abs(f-2*sum) > 1e-9 {
					t.Errorf("%s of %s=%q: %v, %v; want %v", a, tag, value, f, err, 2*sum)
				}
			}
		}
	}
}

func TestSanitise(t *testing.T) {
	for raw, want := range map[string]string{
		"":                         "",
		"K64F":                     "k64f",
		"some.daft-string__match":  "some-daft-string--match",
		" \t\u00a0\x1fa b\u2003\n": "a b",
		"fw:4.1_rc":                "fw-4-1-rc",
		"a/b \"c\"":                "a/b \"c\"",
		"İZMİR":                    "i̇zmi̇r",
		"ΟΔΟΣ":                     "οδος",
		"ΣΑΣ ΣΟΦΟΣ":                "σας σοφος",
		"Straße":                   "straße",
		"bad \xff byte":            "bad \uFFFD byte",
		"ǅ":                        "ǆ",
		"\U00010400":               "\U00010428",
		"_.:":                      "---",
	} {
		if got := redisreport.Sanitise(raw); got != want {
			t.Errorf("Sanitise(%q) = %q, want %q", raw, got, want)
		}
		if again := redisreport.Sanitise(want); again != want {
			t.Errorf("Sanitise(%q) = %q: a name read back must find itself", want, again)
		}
	}
}
