package quorumstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

var replyNames = map[string]reply{"yes": yes, "no": no, "down": down}

func (v verdict) String() string {
	return [...]string{"pending", "won", "lost", "unclear", "late"}[v]
}

// TestVoteScenarios plays the stories in testdata/vote. Each line is a reply,
// "server reply [at time]", and what the vote amounts to then: a verdict, and for
// one that is open "hopeless" and "quorate" where they hold.
func TestVoteScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/vote/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d scenarios, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var b ballot
			for i, line := range strings.Split(string(text), "\n") {
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := playVote(&b, line); err != nil {
					t.Errorf("%s:%d: %s: %v", f, i+1, line, err)
				}
			}
		})
	}
}

func playVote(b *ballot, line string) error {
	do, want, _ := strings.Cut(line, "->")
	words := strings.Fields(do)
	var taken time.Duration
	switch {
	case len(words) == 2 && words[0] == "servers":
		var n int
		_, err := fmt.Sscan(words[1], &n)
		*b = newBallot(n, 0)
		return err
	case len(words) == 2 && words[0] == "ttl":
		var err error
		b.ttl, err = time.ParseDuration(words[1])
		return err
	case len(words) >= 2:
		var server int
		if _, err := fmt.Sscan(words[0], &server); err != nil {
			return err
		}
		r, ok := replyNames[words[1]]
		if !ok || server < 1 || server > len(b.replies) {
			return fmt.Errorf("no such server or reply")
		}
		b.replies[server-1] = r
		if len(words) == 4 {
			var err error
			if taken, err = time.ParseDuration(words[3]); err != nil {
				return err
			}
		}
	}
	v := b.verdict(taken)
	got := v.String()
	open := v == pending || v == unclear
	if open && b.cannotWin() {
		got += " hopeless"
	}
	if open && b.quorate() {
		got += " quorate"
	}
	if want = strings.Join(strings.Fields(want), " "); got != want {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	return nil
}

// ballots calls f with every combination of replies of n servers.
func ballots(n int, f func(b ballot)) {
	b := newBallot(n, 0)
	var set func(i int)
	set = func(i int) {
		if i == n {
			f(b)
			return
		}
		for _, r := range []reply{silent, yes, no, down} {
			b.replies[i] = r
			set(i + 1)
		}
	}
	set(0)
}

// TestVoteAlgebra checks every vote of up to six servers for what makes votes
// safe.
func TestVoteAlgebra(t *testing.T) {
	for n := 1; n <= 6; n++ {
		ballots(n, func(b ballot) {
			v := b.verdict(0)
			rival := newBallot(n, 0)
			best := newBallot(n, 0)  // the silent say yes
			upset := newBallot(n, 0) // the down do so too
			for i, r := range b.replies {
				rival.replies[i], best.replies[i], upset.replies[i] = yes, r, r
				if r == yes {
					rival.replies[i] = no
				}
				if r == silent {
					best.replies[i] = yes
				}
				if r == silent || r == down {
					upset.replies[i] = yes
				}
			}
			if v == won && rival.verdict(0) == won {
				t.Fatalf("%v: a rival that got every other server has won too", b.replies)
			}
			if b.cannotWin() == (best.verdict(0) == won) {
				t.Fatalf("%v: cannotWin is %v, but with the silent saying yes it is %v", b.replies, b.cannotWin(), best.verdict(0))
			}
			if (v == lost) != (upset.verdict(0) != won) {
				t.Fatalf("%v is %v, but with all others saying yes it is %v", b.replies, v, upset.verdict(0))
			}
			if v == unclear && b.count(silent) > 0 || v == pending && b.count(silent) == 0 {
				t.Fatalf("%v is %v", b.replies, v)
			}
		})
	}
}

// TestValidity holds the time that clients count on against what Redlock asks
// for: a hundredth of the TTL and 2 ms less than servers grant.
func TestValidity(t *testing.T) {
	for _, ttl := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 30 * time.Second, time.Hour} {
		server, client := ttl+grace, validity(ttl, 0)
		if drift := server/100 + 2*time.Millisecond; server-client < drift {
			t.Errorf("TTL %s: servers keep it only %s longer than the client counts on, Redlock asks for %s", ttl, server-client, drift)
		}
		if left := validity(ttl, ttl/3); left != client-ttl/3 {
			t.Errorf("TTL %s: after a third of it, %s are left", ttl, left)
		}
	}
}

// TestNoQuorumWords: the error says how many servers there are, how many more it
// takes, and what is wrong with each.
func TestNoQuorumWords(t *testing.T) {
	s := Config{}.build([]string{"a:1", "b:2", "c:3", "d:4", "e:5"}, make([]redis.UniversalClient, 5))
	err := s.noQuorum([]error{nil, errors.New("connection refused"), unanswered{2 * time.Second}, errors.New("WRONGPASS"), errors.New("i/o timeout")})
	const want = "redlock: 1 of 5 servers answered and it takes 3: mend 2 of these: b:2: connection refused; c:3: no answer within 2s; d:4: WRONGPASS; e:5: i/o timeout: too few of the lock servers can be reached"
	if err.Error() != want || !errors.Is(err, lockcore.ErrNoQuorum) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestJitter: rivals that failed together draw different pauses, none of them
// shorter than half of what was meant.
func TestJitter(t *testing.T) {
	const d = 8 * time.Millisecond
	drawn := make(map[time.Duration]bool)
	for range 100 {
		p := jitter(d)
		if p < d/2 || p > d {
			t.Fatalf("a pause of %s drawn for %s", p, d)
		}
		drawn[p] = true
	}
	if len(drawn) < 50 {
		t.Errorf("a hundred rivals draw %d different pauses", len(drawn))
	}
}

// TestCollided: every collision keeps a ticket away for longer, up to a bound.
func TestCollided(t *testing.T) {
	s := Config{}.build(make([]string, 3), make([]redis.UniversalClient, 3))
	a := newAsking(s, &ticket{id: "one", t: ticketFor("one", time.Minute, "k")})
	for i, top := range []time.Duration{collide, 2 * collide, 4 * collide, 8 * collide, 8 * collide, 8 * collide} {
		before := time.Now()
		d := a.collided()
		if d < top/2 || d > top || a.k.after.Before(before.Add(d)) {
			t.Errorf("collision %d: away for %s, until %s from now; want between %s and %s", i+1, d, a.k.after.Sub(before), top/2, top)
		}
	}
}
