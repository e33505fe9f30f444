package ginkgolock

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestParseLock(t *testing.T) {
	for in, want := range map[string]wanted{
		"k64f":             {"k64f", 1, false},
		"k64f*2":           {"k64f", 2, false},
		"staging:shared":   {"staging", 1, true},
		"staging*3:shared": {"staging", 3, true},
		"größe_1.2-ß":      {"größe_1.2-ß", 1, false},
	} {
		w, err := parseLock(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, w, in)
	}
	for in, words := range map[string]string{
		"":                          "name of the pool is empty",
		"*2":                        "name of the pool is empty",
		"k64f*":                     `count ""`,
		"k64f*-1":                   `count "-1"`,
		"k64f*+1":                   `count "+1"`,
		"k64f*1.5":                  `count "1.5"`,
		"k64f*99999999999999999999": "is no number above 0",
		"k64f*2*3":                  `count "2*3"`,
		"k64f:share":                "the only word there is shared",
		"k64f:":                     `comes ""`,
		"k64f:shared*2":             `comes "shared*2"`,
		"k 64":                      "cannot contain spaces",
		"a\nb":                      "cannot contain spaces",
		"a{b}":                      "cannot contain any of",
	} {
		_, err := parseLock(in)
		assert.ErrorContains(t, err, words, "%q", in)
	}
}

// What is accepted must be accepted by Ginkgo as a label, and be found by the
// filters that the documentation names.
func FuzzParseLock(f *testing.F) {
	for _, s := range []string{"k64f", "k64f*2", "staging:shared", "a*2:shared", "a b", "*", ":", "a*0", "ß", "a}b", "a:b:c", "\u00a0x", "\n*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := parseLock(s)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		assert.Positive(t, w.n)
		assert.NotEmpty(t, w.pool)
		label, err := types.ValidateAndCleanupLabel(labelPrefix+s, types.CodeLocation{})
		require.NoError(t, err)
		for _, filter := range []string{labelPrefix + s, "lock: containsAny " + s} {
			match, err := types.ParseLabelFilter(filter)
			require.NoError(t, err, filter)
			if !strings.EqualFold(s, strings.ToLower(s)) || strings.Contains(s, ":") && strings.HasPrefix(filter, "lock: ") {
				continue // Ginkgo folds case in ways of its own, and takes a second colon for part of the value
			}
			assert.True(t, match([]string{label}), filter)
		}
		again := w.pool
		if w.n != 1 || strings.Contains(s, "*") {
			again = fmt.Sprintf("%s*%d", w.pool, w.n)
		}
		if w.shared {
			again += ":shared"
		}
		round, err := parseLock(again)
		require.NoError(t, err)
		assert.Equal(t, w, round)
	})
}

func TestPoolNames(t *testing.T) {
	assert.PanicsWithValue(t, `ginkgolock: Pool: the name of a pool cannot contain spaces, a label filter would not find it: "my pool"`, func() { Pool("my pool", rtest.R("x")) })
	Pool("once", rtest.R("x"))
	assert.PanicsWithValue(t, `ginkgolock: Pool: there is a pool named "once" already`, func() { Pool("once", rtest.R("y")) })
}

func TestWhatProcess1Sends(t *testing.T) {
	_, _, err := split(nil)
	assert.ErrorContains(t, err, "too short")
	_, _, err = split([]byte{0, 0, 0, 9, '{', '}'})
	assert.ErrorContains(t, err, "cut short")
	_, _, err = split([]byte{0, 0, 0, 2, '{', '}', 'x'})
	assert.ErrorContains(t, err, "no lease")
	_, _, err = split([]byte{0, 0, 0, 1, '{', '}'})
	assert.Error(t, err)
	g, data, err := split(frame(&lockcore.Grant{Ticket: &lockcore.Ticket{ID: "a"}, Token: 7}, []byte("data")))
	require.NoError(t, err)
	assert.Equal(t, "a", g.Ticket.ID)
	assert.EqualValues(t, 7, g.Token)
	assert.Equal(t, "data", string(data))
}

// A pool that has no name of its own is the pool of that label.
func TestAnUnnamedPoolIsOnePool(t *testing.T) {
	plain := rtest.R("p-1", "p-2", "p-3")
	named := Pool("plain", plain)
	for _, needs := range []rtest.Arg{plain, named} {
		args, err := declaration{args: []any{needs}, locks: []string{"plain"}}.resolve()
		require.NoError(t, err)
		require.Len(t, args, 1)
		lease := rtest.Acquire(t, args[0].(rtest.Arg), rtest.Using(newLocker(t)))
		assert.Len(t, lease.Keys(), 2)
		assert.Len(t, plain.From(lease), 2)
		assert.Len(t, named.From(lease), 2)
	}
	args, err := declaration{args: []any{plain.Named("other")}, locks: []string{"plain"}}.resolve()
	require.NoError(t, err)
	assert.Len(t, args, 2, "a name of its own keeps it apart")
}

func newLocker(t *testing.T) *lockcore.Locker {
	l := lockcore.New(memstore.New(nil), nil)
	t.Cleanup(func() { l.Close() })
	return l
}
