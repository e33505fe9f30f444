package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A chaos is sixteen processes on one server, and somebody who does to them
// and to it what days bring.
type chaos struct {
	*testing.T
	server  *redistest.Server
	proxy   *redistest.Proxy
	dir     string
	seed    uint64
	pace    time.Duration // the longest pause between two faults
	rng     *rand.Rand
	workers []*child
	started int // processes so far
	stopped map[*child]bool
	faults  *campaign.Faults
	diary   []string // what was done, and when
	whom    string   // to which process, of the last fault
	uses    atomic.Int64
	reading sync.WaitGroup
}

const (
	campaignTTL     = 750 * time.Millisecond
	campaignWorkers = 16
	campaignLimit   = 40 * time.Minute
)

// TestHistory lets processes take leases of all kinds while they are killed and
// stopped beyond their TTL, and the server and the network are what they are on
// bad days; it then looks whether anybody ever had what somebody else had,
// whether all tokens rose, whether everybody got all they asked for, and whether
// anything is left. A short one by default:
//
//	REDISSTORE_GRANTS=200000 go test -timeout 40m -run TestHistory -v ./lockcore/redisstore
//
// REDISSTORE_SEED replays the choices of an earlier one, as far as the machine's
// scheduler lets it.
func TestHistory(t *testing.T) {
	want := int64(campaign.Knob(t, "REDISSTORE_GRANTS", 500))
	c := &chaos{T: t, pace: 600 * time.Millisecond, seed: campaign.Knob(t, "REDISSTORE_SEED", rand.Uint64()), dir: t.TempDir(), stopped: make(map[*child]bool)}
	c.rng = rand.New(rand.NewPCG(c.seed, 0))
	if want > 10_000 {
		c.pace = 3 * time.Second // else most of the time nothing works
	}
	t.Logf("REDISSTORE_SEED=%d", c.seed)
	// The system keeps what a killed process has written, so it need not be synced;
	// and a file that is written anew now and then is read soon.
	c.server = redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-min-size", "4mb")
	c.proxy = redistest.StartProxy(t, c.server.Addr)
	c.workers = make([]*child, campaignWorkers)
	for i := range c.workers {
		c.employ(i)
	}
	start := time.Now()
	looking := c.look()
	c.faults = &campaign.Faults{All: c.all(), Rand: c.rng, Pause: c.pace, Done: func(name string, began int64, lasts time.Duration) bool {
		c.diary = append(c.diary, fmt.Sprintf("%d-%d %s %s %s", began, judge.Now(), name, lasts, c.whom))
		c.whom = ""
		if time.Since(start) < campaignLimit {
			return true
		}
		c.Errorf("only %d of %d grants within %s", c.uses.Load(), want, campaignLimit)
		return false
	}}
	c.faults.Run(func() bool { return c.uses.Load() >= want })
	c.faults.End()
	c.stopAll()
	c.leftovers()
	looks := looking()
	c.verdict(want, start, looks)
}

// employ starts a process at place i. Every other one talks to the server
// through the proxy.
func (c *chaos) employ(i int) {
	c.started++
	addr := c.server.Addr
	if i%2 == 0 {
		addr = c.proxy.Addr
	}
	w := spawn(c.T, "history", job{
		URL:  "redis://" + addr + "/0?read_timeout=400ms&dial_timeout=400ms&max_retries=1",
		Keys: append(numbered(38), "g h", "i%j"), TTL: campaignTTL,
		Seed: c.seed, N: c.started, Log: filepath.Join(c.dir, fmt.Sprintf("%06d.log", c.started)),
	})
	c.workers[i] = w
	c.reading.Go(func() {
		for line := range w.lines {
			var n int64
			switch _, err := fmt.Sscanf(line, "uses %d", &n); {
			case err == nil:
				c.uses.Add(n)
			case line != "ready" && line != "done":
				c.Errorf("a process says %q", line)
			}
		}
	})
}

// all are the faults.
func (c *chaos) all() map[string]campaign.Fault {
	lasting := func(most time.Duration, begin, end func()) campaign.Fault {
		return func() (time.Duration, func()) { begin(); return time.Duration(c.rng.Int64N(int64(most))), end }
	}
	mend := func() { c.proxy.Heal(); c.proxy.Cut() }
	stall := func() (time.Duration, func()) { return c.stop(time.Duration(c.rng.Int64N(int64(campaignTTL / 2)))) }
	oversleep := func() (time.Duration, func()) {
		return c.stop(campaignTTL + time.Duration(c.rng.Int64N(int64(campaignTTL))))
	}
	return map[string]campaign.Fault{
		"kill": campaign.AtOnce(c.kill), "kill again": campaign.AtOnce(c.kill), "stop beyond the TTL": oversleep, "stop again": oversleep, "stop": stall,
		"server restart":     campaign.AtOnce(c.restart),
		"server stop":        campaign.AtOnce(c.swap),
		"script flush":       campaign.AtOnce(func() { c.server.Do("SCRIPT", "FLUSH") }),
		"client kill":        campaign.AtOnce(func() { c.server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") }),
		"client kill pubsub": campaign.AtOnce(func() { c.server.Do("CLIENT", "KILL", "TYPE", "pubsub") }),
		"proxy cut":          campaign.AtOnce(c.proxy.Cut),
		"proxy delay":        lasting(campaignTTL, func() { c.proxy.Delay(time.Duration(c.rng.IntN(20)) * time.Millisecond) }, func() { c.proxy.Delay(0) }),
		"answers lost":       lasting(2*campaignTTL, func() { c.proxy.Blackhole(redistest.ToClient) }, mend),
		"requests lost":      lasting(2*campaignTTL, func() { c.proxy.Blackhole(redistest.ToServer) }, mend),
	}
}

// kill ends a process and puts another in its place.
func (c *chaos) kill() {
	i := c.rng.IntN(len(c.workers))
	w := c.workers[i]
	c.whom = filepath.Base(w.log)
	w.kill()
	delete(c.stopped, w)
	c.employ(i)
}

// restart kills the server and starts it again with its data, which it takes a
// while to read.
func (c *chaos) restart() {
	c.server.Restart()
	c.server.Loaded()
}

// swap stops the server for a while. Nothing else can be done to it meanwhile.
func (c *chaos) swap() {
	c.server.Stop()
	time.Sleep(time.Duration(c.rng.Int64N(int64(campaignTTL / 2))))
	c.server.Cont()
}

// stop freezes a process until its end is due, if it is not frozen already.
func (c *chaos) stop(d time.Duration) (time.Duration, func()) {
	w := c.workers[c.rng.IntN(len(c.workers))]
	if c.stopped[w] {
		return 0, nil
	}
	c.whom = filepath.Base(w.log)
	w.stop()
	c.stopped[w] = true
	return d, func() {
		if c.stopped[w] { // it may have been killed
			w.cont()
			delete(c.stopped, w)
		}
	}
}

// look takes snapshots all the while, and looks whether their holders go
// together and have all they asked for. It returns what ends it, which in turn
// returns the number of looks.
func (c *chaos) look() func() int {
	client := redis.NewClient(&redis.Options{Addr: c.server.Addr, Protocol: 2, ReadTimeout: 400 * time.Millisecond, DisableIdentity: true, ContextTimeoutEnabled: true})
	st := on(c.T, client, redisstore.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	n := 0
	watch.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			snap, err := st.Snapshot(ctx)
			if err != nil {
				if !excused(err) {
					c.Errorf("Snapshot: %v", err)
				}
				continue
			}
			n++
			c.examine(snap)
			// A script that fails half-way may have an answer that nobody reads. (Old
			// servers also count what a client says of itself and they do not know;
			// those that are opened by URL say nothing.)
			if stats := client.Info(ctx, "errorstats").Val(); strings.Contains(stats, "errorstat_ERR:") {
				c.Errorf("a script has failed: %s", stats)
			}
		}
	})
	end := func() int { cancel(); watch.Wait(); return n }
	c.Cleanup(func() { end() }) // nothing is said once the test is over
	return end
}

func (c *chaos) examine(snap lockcore.Snapshot) {
	byKey := make(map[string][]judge.Taken)
	for _, h := range snap.Holders {
		if got := unitsOf(h); got != h.Reason {
			c.Errorf("%s holds %q, asked for %s", h.ID, h.Obtained, h.Reason)
		}
		for i, keys := range h.Obtained {
			units := make(map[string]int)
			for _, k := range keys {
				units[k]++
			}
			for k, n := range units {
				byKey[k] = append(byKey[k], judge.Taken{Mode: campaign.Mode(h.Requirements[i]), Units: n})
			}
		}
	}
	for k, held := range byKey {
		if !judge.Compatible(held) {
			c.Errorf("in a snapshot, %s is held by %+v: %+v", k, held, snap.Holders)
		}
	}
}

func unitsOf(h lockcore.Holder) string {
	reqs := make([]lockcore.Requirement, len(h.Obtained))
	for i, keys := range h.Obtained {
		reqs[i].Need = len(keys)
	}
	return units(reqs)
}

// stopAll lets everybody come to an end: most by being told, some by being killed.
func (c *chaos) stopAll() {
	for i, w := range c.workers {
		if i < 3 {
			w.kill()
		} else {
			w.tell("stop")
		}
	}
	ended := make(chan struct{})
	go func() { c.reading.Wait(); close(ended) }()
	arrives(c.T, "all processes end", ended)
}

// leftovers waits until every lease has expired, and looks what is left then.
func (c *chaos) leftovers() {
	st := openURL(c.T, c.server.URL(), redisstore.Options{})
	var endings map[string]lockcore.Ending
	await(c.T, "nobody holds or waits", func() bool {
		snap, err := st.Snapshot(context.Background())
		endings = snap.Endings
		return err == nil && len(snap.Holders)+len(snap.Waiters) == 0
	})
	for key, how := range endings { // of those who were killed; a use in order makes up for it
		tk := ticket("last use of "+key, time.Minute, of(1, key))
		tk.Reason = units(tk.Requirements) // it is examined like all others
		g := ask(c.T, st, tk).Grant
		if g == nil || g.Last[key] != how {
			c.Fatalf("the last use of %s ended as %s, and who gets it next is told %+v", key, how, g)
		}
		giveBack(c.T, st, g)
	}
	nothingLeft(c.T, c.server, "used")
}

func (c *chaos) verdict(want int64, start time.Time, looks int) {
	logs, err := filepath.Glob(filepath.Join(c.dir, "*.log"))
	if err != nil {
		c.Fatal(err)
	}
	var written []judge.Use
	for _, path := range logs {
		f, err := os.Open(path)
		if err != nil {
			c.Fatal(err)
		}
		uses, err := campaign.Read(f, nil)
		f.Close()
		if err != nil {
			c.Errorf("%s: %v", path, err)
		}
		written = append(written, uses...)
	}
	if int64(len(written)) < want {
		c.Errorf("%d grants were written down, want %d", len(written), want)
	}
	bad := judge.Promises{}.Contradictions(written)
	if len(bad) > 0 {
		c.Log("what was done:\n", strings.Join(c.diary, "\n"))
	}
	for _, b := range bad[:min(len(bad), 10)] {
		c.Error(b)
	}
	c.Logf("%d grants to %d processes in %s, %d looks; %v; %d contradictions", len(written), c.started, time.Since(start).Round(time.Second), looks, c.faults, len(bad))
}
