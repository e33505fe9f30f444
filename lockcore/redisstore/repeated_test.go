package redisstore

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A client that got no answer calls again, with the same arguments: what people do is
// done once all the same, and answered twice.
func TestRepeatedCalls(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer c.Close()
	s, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	reserve := func(id string, keys ...string) {
		t.Helper()
		tk := &lockcore.Ticket{ID: id, Owner: lockcore.Owner{User: id}, TTL: time.Minute, For: time.Hour, Wait: true}
		for _, k := range keys {
			tk.Requirements = append(tk.Requirements, lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: k}}})
		}
		if ans, err := s.Ask(t.Context(), tk, nil); err != nil || ans.Grant == nil {
			t.Fatalf("%s got nothing: %v", id, err)
		}
	}
	twice := func(what string, sc *script, between func(), args ...any) {
		t.Helper()
		var answers [2]any
		for i := range answers {
			if answers[i], err = s.run(t.Context(), sc, args...); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				between()
			}
		}
		if text(answers[0]) != text(answers[1]) || len(list(answers[0])) != len(list(answers[1])) || text(answers[0]) == "" && len(list(answers[0])) == 0 {
			t.Errorf("%s answers %v, and when it is repeated %v", what, answers[0], answers[1])
		}
	}
	held := func(want string) {
		t.Helper()
		snap, err := s.Snapshot(t.Context())
		got := ""
		for _, h := range snap.Holders {
			got += h.ID + " " + h.State + ";"
		}
		if err != nil || got != want {
			t.Errorf("holders are %q, want %q; %v", got, want, err)
		}
	}
	reserve("ann", "a", "b")
	twice("giving back", s.scripts.giveBack, func() { reserve("ben", "a") }, "call 1", encodeID("ann"), "a")
	held("ann reserved;ben reserved;")
	twice("disabling", s.scripts.disable, func() {}, "call 2", 0, "taken away", "0 \n{}", "a")
	held("ann reserved;disabled:a disabled;")
	twice("enabling", s.scripts.enable, func() { reserve("cal", "a") }, "call 3", "a")
	held("ann reserved;cal reserved;")
	twice("freeing", s.scripts.free, func() { reserve("dan", "a") }, "a", "", "call 4")
	held("ann reserved;dan reserved;")
}
