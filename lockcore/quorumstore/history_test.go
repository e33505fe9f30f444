package quorumstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// A use is a time during which a process believed, with reason, that it had
// keys: it looked at its lease at From and at To, and the lease was good.
type use struct {
	From, To time.Time
	Mode     mode
	Keys     []string
}

// overlaps returns the uses that contradict each other.
func overlaps(history []use) (bad []string) {
	type span struct {
		use  *use
		mode mode
	}
	byKey := make(map[string][]span)
	for i := range history {
		for _, k := range history[i].Keys {
			byKey[k] = append(byKey[k], span{&history[i], history[i].Mode})
		}
	}
	for key, spans := range byKey {
		slices.SortFunc(spans, func(a, b span) int { return a.use.From.Compare(b.use.From) })
		var open []span
		for _, s := range spans {
			open = slices.DeleteFunc(open, func(o span) bool { return o.use.To.Before(s.use.From) })
			var g glimpse
			g.put(&seen{id: "open", until: s.use.From.Add(time.Second)})
			for _, o := range open {
				g.keys[key] = append(g.keys[key], holding{g.leases["open"], o.mode})
			}
			if u := g.units(key, s.use.From); u.Free(s.mode.requirement()) == 0 {
				bad = append(bad, fmt.Sprintf("%s: %+v beside %+v", key, *s.use, *open[0].use))
			}
			open = append(open, s)
		}
	}
	return bad
}

func (m mode) requirement() *lockcore.Requirement {
	switch m {
	case "x":
		return &lockcore.Requirement{}
	case "s":
		return &lockcore.Requirement{Shared: true}
	}
	n, _ := strconv.Atoi(string(m[1:]))
	return &lockcore.Requirement{Seats: n}
}

// TestOverlaps: the judge of the history below knows right from wrong.
func TestOverlaps(t *testing.T) {
	at := func(from, to int, m mode, keys ...string) use {
		return use{t0.Add(time.Duration(from) * time.Second), t0.Add(time.Duration(to) * time.Second), m, keys}
	}
	for _, c := range []struct {
		what    string
		history []use
		bad     int
	}{
		{"one after the other", []use{at(0, 1, "x", "a"), at(2, 3, "x", "a")}, 0},
		{"at the same time", []use{at(0, 2, "x", "a"), at(1, 3, "x", "a")}, 1},
		{"different keys", []use{at(0, 2, "x", "a"), at(1, 3, "x", "b")}, 0},
		{"within a longer one", []use{at(0, 9, "x", "a"), at(1, 2, "s", "b"), at(4, 5, "x", "a", "c")}, 1},
		{"readers", []use{at(0, 2, "s", "a"), at(1, 3, "s", "a")}, 0},
		{"a writer beside readers", []use{at(0, 2, "s", "a"), at(1, 3, "s", "a"), at(2, 4, "x", "a")}, 1},
		{"a reader beside a writer", []use{at(0, 2, "x", "a"), at(1, 3, "s", "a")}, 1},
		{"two of two seats", []use{at(0, 2, "n2", "a"), at(1, 3, "n2", "a")}, 0},
		{"three of two seats", []use{at(0, 3, "n2", "a", "a"), at(1, 3, "n2", "a")}, 1},
	} {
		if bad := overlaps(c.history); len(bad) != c.bad {
			t.Errorf("%s: found %q, want %d", c.what, bad, c.bad)
		}
	}
}

// The environment of a child process.
const (
	childURL = "QUORUMSTORE_CHILD_URL"
	// campaignGrants is how many grants the history has; by default few, so that
	// it takes seconds.
	campaignGrants = "QUORUMSTORE_GRANTS"
)

func TestMain(m *testing.M) {
	logging.Disable() // connections are broken here by the hundred
	if url := os.Getenv(childURL); url != "" {
		child(url)
		return
	}
	os.Exit(m.Run())
}

// Leases of the campaign are short, so that some run out while their process is
// busy, and servers come back soon.
const campaignTTL = time.Second

// child takes random leases, and prints a line for each when it begins to use
// it, and one when it ends. It ends with its parent, whose pipe it writes to.
func child(url string) {
	s, err := Open(context.Background(), url, "history")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l := lockcore.New(s, nil)
	out := json.NewEncoder(os.Stdout)
	for {
		req, m := randomRequest()
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(2*time.Second))
		lease, err := l.Acquire(ctx, req)
		cancel()
		if err != nil {
			if !errors.Is(err, lockcore.ErrBusy) && !errors.Is(err, lockcore.ErrNoQuorum) {
				fmt.Fprintln(os.Stderr, err)
			}
			continue
		}
		u := use{From: time.Now(), Mode: m, Keys: lease.Keys()}
		if lease.Context().Err() != nil {
			continue
		}
		u.To = u.From
		if out.Encode(u) != nil {
			return
		}
		for end := time.Now().Add(holdFor()); ; {
			now := time.Now()
			if lease.Context().Err() != nil {
				break // it was good at u.To
			}
			if u.To = now; !now.Before(end) {
				break
			}
			<-time.After(500 * time.Microsecond)
		}
		if out.Encode(u) != nil {
			return
		}
		_ = lease.Release(context.Background()) // or it was lost, or the servers are down
	}
}

// holdFor is mostly short; sometimes long enough for renewals to matter.
func holdFor() time.Duration {
	if rand.IntN(50) == 0 {
		return rand.N(2 * campaignTTL)
	}
	return rand.N(3 * time.Millisecond)
}

func randomRequest() (lockcore.Request, mode) {
	keys := []string{"a", "b", "c", "d", "e", "f"}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	n := 1 + rand.IntN(4)
	r := ticketFor("", 0, keys[:n]...).Requirements[0]
	r.Need = 1 + rand.IntN(n)
	m := mode("x")
	switch rand.IntN(6) {
	case 0:
		r.Shared, m = true, "s"
	case 1:
		r.Seats, m = 2, "n2"
	}
	return lockcore.Request{Requirements: []lockcore.Requirement{r}, TTL: campaignTTL}, m
}

// A campaign is eight processes on five servers, and somebody who kills.
type campaign struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	history []use
	grants  int
	enough  chan struct{}
	want    int
}

// TestHistory lets eight processes take leases while servers are killed, emptied
// and stopped, two of five at a time, and processes are killed too, and looks
// whether anybody ever had what somebody else had. A server that was killed comes
// back after the TTL, as the algorithm demands.
func TestHistory(t *testing.T) {
	c := &campaign{t: t, want: 1500, enough: make(chan struct{})}
	if v := os.Getenv(campaignGrants); v != "" {
		var err error
		if c.want, err = strconv.Atoi(v); err != nil {
			t.Fatalf("%s=%q is no number", campaignGrants, v)
		}
	}
	servers := redistest.StartN(t, 5)
	c.url = urlOf(servers)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		wg.Go(func() { c.client(stop) })
	}
	rounds := c.hurt(servers)
	close(stop)
	wg.Wait()
	bad := overlaps(c.history)
	for _, b := range bad[:min(len(bad), 10)] {
		t.Error(b)
	}
	var lost int
	for i := range c.history {
		if c.history[i].To.Sub(c.history[i].From) == 0 {
			lost++
		}
	}
	t.Logf("%d grants, of which %d were cut short; %d times one or two of five servers were killed or stopped; %d contradictions", len(c.history), lost, rounds, len(bad))
}

// hurt takes one or two servers at a time away and gives them back, until there
// are enough grants.
func (c *campaign) hurt(servers []*redistest.Server) (rounds int) {
	deadline := time.After(20 * time.Minute)
	for {
		down := rand.Perm(len(servers))[:1+rand.IntN(2)]
		kill := rand.IntN(2) == 0
		for _, i := range down {
			if kill {
				servers[i].Kill()
			} else {
				servers[i].Stop()
			}
		}
		pause := rand.N(campaignTTL)
		if kill {
			pause += campaignTTL + campaignTTL/10
		}
		<-time.After(pause)
		for _, i := range down {
			if kill {
				servers[i].Restart()
			} else {
				servers[i].Cont()
			}
		}
		rounds++
		select {
		case <-c.enough:
			if rounds >= 4 {
				return rounds
			}
		case <-deadline:
			c.t.Errorf("only %d of %d grants", c.grants, c.want)
			return rounds
		case <-time.After(rand.N(campaignTTL / 4)):
		}
	}
}

// client runs one process after the other, each killed at some moment.
func (c *campaign) client(stop chan struct{}) {
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childURL+"="+c.url)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			c.t.Error(err)
			return
		}
		life := time.AfterFunc(campaignTTL+rand.N(10*campaignTTL), func() { _ = cmd.Process.Kill() })
		read := make(chan struct{})
		go func() {
			defer close(read)
			c.listen(out)
		}()
		over := false
		select {
		case <-read:
		case <-stop:
			over = true
			_ = cmd.Process.Kill() // it may have been killed just now
			<-read
		}
		life.Stop()
		_ = cmd.Wait() // it was killed
		if over {
			return
		}
	}
}

// listen takes in what a process prints: a use twice, when it begins and when it
// ends. Of one that did not live to see the end, the beginning counts.
func (c *campaign) listen(out io.Reader) {
	var begun *use
	keep := func(u use) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.history = append(c.history, u)
		if c.grants++; c.grants == c.want {
			close(c.enough)
		}
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var u use
		if json.Unmarshal(lines.Bytes(), &u) != nil {
			break // killed in the midst of a line
		}
		if begun != nil {
			keep(u)
			begun = nil
			continue
		}
		begun = &u
	}
	if begun != nil {
		keep(*begun)
	}
}
