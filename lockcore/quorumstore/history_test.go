package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// The environment of a child process, and of the campaign.
const (
	childURL  = "QUORUMSTORE_CHILD_URL"
	childSeed = "QUORUMSTORE_CHILD_SEED"
	// campaignGrants is how many grants the history has at least: by default few, so
	// that it takes seconds.
	campaignGrants = "QUORUMSTORE_GRANTS"
	// campaignLimit is when it ends for want of grants: a failure, but one that says
	// how far it came.
	campaignLimit = "QUORUMSTORE_LIMIT"
	// campaignSeed is where all random choices come from. What they meet with in
	// several processes differs from run to run all the same.
	campaignSeed = "QUORUMSTORE_SEED"
	// campaignDelay is how long a server that was killed stays away. Less than the
	// TTL is more than the algorithm bears, and shows that the judge is awake.
	campaignDelay = "QUORUMSTORE_RESTART_DELAY"
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

// child takes random leases, and prints what package campaign reads. It ends with its
// parent, whose pipe it writes to.
func child(url string) {
	s, err := Open(context.Background(), url, "history")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seed, err := strconv.ParseUint(os.Getenv(childSeed), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := &campaign.Worker{
		Name: strconv.Itoa(os.Getpid()), Locker: lockcore.New(s, nil), Rand: rnd, TTL: campaignTTL, Busy: time.Millisecond, Out: os.Stdout,
		Draw: func() lockcore.Request { return randomRequest(rnd) },
		Excused: func(err error) bool {
			// A release gives up after 5 s in which no majority could be asked.
			return errors.Is(err, lockcore.ErrBusy) || errors.Is(err, lockcore.ErrNoQuorum) || errors.Is(err, lockcore.ErrLost) ||
				errors.Is(err, context.DeadlineExceeded)
		},
	}
	for {
		w.Turn(context.Background())
	}
}

// below draws a duration.
func below(rnd *rand.Rand, d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }

func randomRequest(rnd *rand.Rand) lockcore.Request {
	keys := []string{"a", "b", "c", "d", "e", "f"}
	rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	n := 1 + rnd.IntN(4)
	r := ticketFor("", 0, keys[:n]...).Requirements[0]
	r.Need = 1 + rnd.IntN(n)
	switch rnd.IntN(6) {
	case 0:
		r.Shared = true
	case 1:
		r.Seats = 2
	}
	return lockcore.Request{Requirements: []lockcore.Requirement{r}, TTL: campaignTTL}
}

// A chaos is eight processes on five servers, and somebody who kills.
type chaos struct {
	t      *testing.T
	url    string
	seed   uint64
	delay  time.Duration // of the restart of a server
	limit  time.Duration
	want   int           // grants
	enough chan struct{} // closed when they are there

	printed atomic.Int64 // uses that began

	mu      sync.Mutex
	history []judge.Use
	killed  int // processes
}

// TestHistory lets eight processes take leases while servers are killed, emptied
// and stopped, two of five at a time, and processes are killed too, and looks
// whether anybody ever had what somebody else had. A server that was killed comes
// back after the TTL, as the algorithm demands.
func TestHistory(t *testing.T) {
	c := &chaos{t: t, want: 300, delay: campaignTTL + campaignTTL/10, limit: watchdog, seed: rand.Uint64(), enough: make(chan struct{})}
	setting(t, campaignGrants, func(v string) (err error) { c.want, err = strconv.Atoi(v); return err })
	setting(t, campaignSeed, func(v string) (err error) { c.seed, err = strconv.ParseUint(v, 10, 64); return err })
	setting(t, campaignDelay, func(v string) (err error) { c.delay, err = time.ParseDuration(v); return err })
	setting(t, campaignLimit, func(v string) (err error) { c.limit, err = time.ParseDuration(v); return err })
	servers := redistest.StartN(t, 5)
	c.url = urlOf(servers)
	start := time.Now()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		rnd := rand.New(rand.NewPCG(c.seed, uint64(i)))
		wg.Go(func() { c.client(rnd, stop) })
	}
	kills, stops := c.hurt(servers)
	close(stop)
	wg.Wait()
	took := time.Since(start)
	bad := judge.Promises{Unfenced: true}.Contradictions(c.history)
	for _, b := range bad[:min(len(bad), 10)] {
		t.Error(b)
	}
	long := 0
	for i := range c.history {
		if c.history[i].To-c.history[i].From > int64(campaignTTL/3) {
			long++
		}
	}
	t.Logf("%d grants in %s, %d of them held until they had to be renewed; %d kills and %d stops of servers, %d kills of processes; %d contradictions; %s=%d",
		len(c.history), took.Round(time.Second), long, kills, stops, c.killed, len(bad), campaignSeed, c.seed)
}

// setting reads a variable of the environment, if it is there.
func setting(t *testing.T, name string, set func(string) error) {
	t.Helper()
	if v := os.Getenv(name); v != "" {
		if err := set(v); err != nil {
			t.Fatalf("%s=%q: %v", name, v, err)
		}
	}
}

// hurt takes one or two servers at a time away and gives them back, until there
// are enough grants. It counts servers that it killed and stopped.
func (c *chaos) hurt(servers []*redistest.Server) (kills, stops int) {
	rnd := rand.New(rand.NewPCG(c.seed, 1000))
	limit := time.After(c.limit)
	for round := 1; ; round++ {
		down := rnd.Perm(len(servers))[:1+rnd.IntN(2)]
		kill := rnd.IntN(2) == 0
		for _, i := range down {
			if kill {
				servers[i].Kill()
				kills++
			} else {
				servers[i].Stop()
				stops++
			}
		}
		pause := below(rnd, campaignTTL)
		if kill {
			pause += c.delay
		}
		<-time.After(pause)
		for _, i := range down {
			if kill {
				servers[i].Restart()
			} else {
				servers[i].Cont()
			}
		}
		select {
		case <-c.enough:
			if round >= 4 {
				return kills, stops
			}
		case <-limit:
			c.t.Errorf("%d grants were not reached within %s", c.want, c.limit)
			return kills, stops
		case <-time.After(below(rnd, campaignTTL/4)):
		}
	}
}

// client runs one process after the other, each killed at some moment.
func (c *chaos) client(rnd *rand.Rand, stop chan struct{}) {
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childURL+"="+c.url, fmt.Sprintf("%s=%d", childSeed, rnd.Uint64()))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			c.t.Error(err)
			return
		}
		life := time.AfterFunc(campaignTTL+below(rnd, 10*campaignTTL), func() { _ = cmd.Process.Kill() })
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
		c.mu.Lock()
		c.killed++
		c.mu.Unlock()
	}
}

// listen takes in what a process prints.
func (c *chaos) listen(out io.Reader) {
	uses, err := campaign.Read(out, func(n campaign.Note) {
		if n.Use != nil && c.printed.Add(1) == int64(c.want) {
			close(c.enough)
		}
	})
	if err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, uses...)
}
