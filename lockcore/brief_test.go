package lockcore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestTheNearestBlockerStandsForAll(t *testing.T) {
	now := time.Date(2026, 5, 1, 10, 0, 5, 0, time.UTC)
	holder := lockcore.Owner{Test: "TestSoak", Package: "example.com/lab", Host: "h", PID: 7}
	b := lockcore.Blocker{Key: "board-1", Holder: holder, Since: now.Add(-5 * time.Second), Expires: now.Add(time.Minute)}
	for state, want := range map[string]string{
		"held":     "; board-1 is held by TestSoak (example.com/lab, h, pid 7) since 10:00:00Z (5s ago)",
		"granted":  "; board-1 is held by TestSoak (example.com/lab, h, pid 7) since 10:00:00Z (5s ago)",
		"waiting":  "; board-1 is claimed by TestSoak (example.com/lab, h, pid 7), waiting since 10:00:00Z (5s ago)",
		"kept":     "; board-1 is kept for TestSoak (example.com/lab, h, pid 7) until 10:01:05Z (in 1m0s)",
		"reserved": "; board-1 is reserved by TestSoak (example.com/lab, h, pid 7) until 10:01:05Z (in 1m0s)",
		"disabled": "; board-1 is out of service",
		"foreign":  "; board-1 is locked by another program",
	} {
		b.State = state
		assert.Equal(t, want, (&lockcore.BusyError{Time: now, Blockers: []lockcore.Blocker{b}}).Brief(), state)
	}
	b.State, b.Reason = "held", "a\nb"
	b.Holder.URL = "https://ci/7"
	assert.Equal(t, `; 2nd in line; board-1 is held by TestSoak (https://ci/7) since 10:00:00Z (5s ago), reason: a\nb, and 1 other is in the way (rtest-report ls)`,
		(&lockcore.BusyError{Time: now, Position: 2, Blockers: []lockcore.Blocker{b, b}}).Brief())
	assert.True(t, strings.HasSuffix((&lockcore.BusyError{Time: now, Blockers: []lockcore.Blocker{b, b, b}}).Brief(), ", and 2 others are in the way (rtest-report ls)"))
	assert.Empty(t, (&lockcore.BusyError{}).Brief())
}

func TestBriefRequirements(t *testing.T) {
	pool := func(n int) (c []lockcore.Candidate) {
		for i := range n {
			c = append(c, lockcore.Candidate{Key: fmt.Sprint("board-", i+1)})
		}
		return c
	}
	for want, r := range map[string]lockcore.Requirement{
		"2 of boards":                            {Name: "boards", Need: 2, Candidates: pool(9)},
		"1 of boards (shared)":                   {Name: "boards", Candidates: pool(9), Shared: true},
		"2 of [board-1, … 8 more]":               {Need: 2, Candidates: pool(9)},
		"1 of [board-1, … 8 more] (1 seat each)": {Candidates: pool(9), Seats: 1},
		"board-1":                     {Candidates: pool(1)},
		"1 of lab [board-1, board-2]": {Name: "lab", Candidates: pool(2)},
	} {
		assert.Equal(t, want, r.Brief())
	}
}

// Whatever the names of others are like, the line stays one that is read.
func TestALineAboutAWaitIsShort(t *testing.T) {
	long := strings.Repeat("n", 300)
	b := lockcore.Blocker{Key: long, State: "held", Reason: long, Since: time.Unix(0, 0), Holder: lockcore.Owner{Test: long, Package: long, Host: long, Run: long, PID: 7}}
	for _, url := range []string{"", long} {
		b.Holder.URL = url
		e := &lockcore.BusyError{Position: 12, Time: time.Unix(100, 0), Blockers: []lockcore.Blocker{b, b, b, b, b, b}}
		assert.Less(t, utf8.RuneCountInString(e.Brief()), 420)
		assert.Greater(t, utf8.RuneCountInString(e.Standing()), 1000, "the error has it all")
	}
	r := lockcore.Requirement{Name: long, Candidates: []lockcore.Candidate{{Key: long}, {Key: long + "2"}, {Key: "3"}}}
	assert.Less(t, utf8.RuneCountInString(r.Brief()), 100)
}

func ExampleBusyError_Brief() {
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	e := &lockcore.BusyError{Position: 2, Time: at.Add(time.Minute), Blockers: []lockcore.Blocker{
		{Key: "board-1", State: "held", Holder: lockcore.Owner{Test: "TestSoak"}, Since: at},
		{Key: "board-2", State: "waiting", Holder: lockcore.Owner{Test: "TestFlash"}, Since: at},
	}}
	fmt.Println("waiting" + e.Brief())
	// Output: waiting; 2nd in line; board-1 is held by TestSoak since 10:00:00Z (1m0s ago), and 1 other is in the way (rtest-report ls)
}

func ExampleRequirement_Brief() {
	boards := lockcore.Requirement{Name: "boards", Need: 2, Candidates: []lockcore.Candidate{{Key: "board-1"}, {Key: "board-2"}, {Key: "board-3"}}}
	fmt.Println(boards)
	fmt.Println(boards.Brief())
	// Output:
	// 2 of boards [board-1, board-2, board-3]
	// 2 of boards
}
