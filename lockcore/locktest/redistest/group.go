package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Replica starts a server that follows master, and waits until it has caught
// up.
func Replica(t testing.TB, master *Server, args ...string) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	r := Start(t, append([]string{"--replicaof", host, port}, args...)...)
	r.InSync()
	return r
}

// InSync waits until the replica is connected to its master.
func (s *Server) InSync() {
	s.t.Helper()
	await(s.t, s.Addr+" follows its master", func() bool {
		s.t.Helper()
		return s.Info("replication", "master_link_status") == "up"
	})
}

// A Sentinel is a master and its replicas, and the sentinel processes that watch
// them.
type Sentinel struct {
	Name      string // of the master
	Master    *Server
	Replicas  []*Server
	Sentinels []*Server
	Link      *Proxy // between master and replica, if there is one
	t         testing.TB
}

// StartSentinel starts a master, replicas of it and three sentinels that agree
// on a new master within about a second after the old one has gone. args go to
// master and replicas.
func StartSentinel(t testing.TB, replicas int, args ...string) *Sentinel {
	t.Helper()
	g := &Sentinel{Name: "lab", Master: Start(t, args...), t: t}
	for range replicas {
		g.Replicas = append(g.Replicas, Replica(t, g.Master, args...))
	}
	g.watch(3, 4000)
	return g
}

// StartLinkedSentinel starts a master, one replica of it and one sentinel. What
// the master tells the replica goes through Link, so that it can be made to lag
// behind: Link.Blackhole(ToClient).
func StartLinkedSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	g := &Sentinel{Name: "lab", Master: Start(t, args...), t: t}
	g.Link = StartProxy(t, g.Master.Addr)
	host, port, _ := net.SplitHostPort(g.Link.Addr)
	g.Replicas = []*Server{Start(t, append([]string{"--replicaof", host, port}, args...)...)}
	g.Replicas[0].InSync()
	// The sentinel will see to it that the replica follows the master itself, but
	// only after this time.
	g.watch(1, 600_000)
	return g
}

// watch starts sentinels and waits until they know everybody.
func (g *Sentinel) watch(n, timeout int) {
	g.t.Helper()
	host, port, _ := net.SplitHostPort(g.Master.Addr)
	conf := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s %[4]d\nsentinel down-after-milliseconds %[1]s 400\nsentinel failover-timeout %[1]s %[5]d\nsentinel parallel-syncs %[1]s 1\n",
		g.Name, host, port, n/2+1, timeout)
	for range n {
		g.Sentinels = append(g.Sentinels, startSentinel(g.t, conf))
	}
	for _, s := range g.Sentinels {
		await(g.t, "sentinel "+s.Addr+" knows everybody", func() bool {
			g.t.Helper()
			line := s.Info("sentinel", "master0")
			return strings.Contains(line, "status=ok") && strings.Contains(line, fmt.Sprintf("slaves=%d,", len(g.Replicas))) && strings.Contains(line, fmt.Sprintf("sentinels=%d", n))
		})
	}
}

func startSentinel(t testing.TB, conf string) *Server {
	t.Helper()
	bin := Need(t)
	s := &Server{t: t, bin: bin, dir: shortDir(t), args: []string{"--sentinel"}}
	s.Addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	if err := os.WriteFile(filepath.Join(s.dir, "sentinel.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
	return s
}

// URL is redis+sentinel://h1,h2,h3/master.
func (g *Sentinel) URL() string {
	return "redis+sentinel://" + strings.Join(g.Addrs(), ",") + "/" + g.Name
}

// Addrs lists the sentinels.
func (g *Sentinel) Addrs() []string { return addrs(g.Sentinels) }

// Failed waits until the sentinels have put another server in the place of
// Master, and returns it.
func (g *Sentinel) Failed() *Server {
	g.t.Helper()
	var now *Server
	await(g.t, "the sentinels chose a new master", func() bool {
		g.t.Helper()
		for _, r := range g.Replicas {
			if r.Info("replication", "role") == "master" && g.agreed(r) {
				now = r
			}
		}
		return now != nil
	})
	return now
}

func (g *Sentinel) agreed(r *Server) bool {
	for _, s := range g.Sentinels {
		if !strings.Contains(s.Info("sentinel", "master0"), "address="+r.Addr+",") {
			return false
		}
	}
	return true
}

func addrs(servers []*Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr
	}
	return list
}

// A Cluster is a Redis Cluster of masters with one replica each, or none.
type Cluster struct {
	Masters  []*Server
	Replicas []*Server // Replicas[i] follows Masters[i]
	t        testing.TB
}

const slots = 16384

// StartCluster starts a Redis Cluster of three masters, and of three replicas
// if asked for. Losing a master, the replica takes over within a few seconds.
func StartCluster(t testing.TB, replicas bool) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	args := []string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-config-file", "nodes.conf"}
	c.Masters = StartN(t, 3, args...)
	if replicas {
		c.Replicas = StartN(t, 3, args...)
	}
	all := c.all()
	for i, s := range all {
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	host, port, _ := net.SplitHostPort(all[0].Addr)
	for _, s := range all[1:] {
		s.Do("CLUSTER", "MEET", host, port)
	}
	n := len(c.Masters)
	for i, m := range c.Masters {
		m.Do("CLUSTER", "ADDSLOTSRANGE", i*slots/n, (i+1)*slots/n-1)
	}
	for _, s := range all {
		await(t, s.Addr+" has met everybody", func() bool {
			t.Helper()
			return clusterInfo(s, "cluster_known_nodes") == fmt.Sprint(len(all))
		})
	}
	for i, r := range c.Replicas {
		id := c.Masters[i].Do("CLUSTER", "MYID")
		await(t, r.Addr+" replicates", func() bool {
			_, err := r.Try("CLUSTER", "REPLICATE", id)
			return err == nil
		})
	}
	for _, r := range c.Replicas {
		r.InSync()
	}
	c.settled()
	return c
}

func (c *Cluster) all() []*Server {
	return append(append([]*Server(nil), c.Masters...), c.Replicas...)
}

// settled waits until every node sees the whole cluster, with the replicas as
// such.
func (c *Cluster) settled() {
	c.t.Helper()
	for _, s := range c.all() {
		await(c.t, s.Addr+" sees a whole cluster", func() bool {
			c.t.Helper()
			nodes, _ := s.Do("CLUSTER", "NODES").(string)
			return clusterInfo(s, "cluster_state") == "ok" && strings.Count(nodes, "slave ") == len(c.Replicas)
		})
	}
}

func clusterInfo(s *Server, field string) string {
	s.t.Helper()
	text, _ := s.Do("CLUSTER", "INFO").(string)
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// URL is redis+cluster://h1,h2,h3.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(addrs(c.Masters), ",") }

// Addrs lists the masters.
func (c *Cluster) Addrs() []string { return addrs(c.Masters) }

// OwnerOf is the index of the master that has the slot of key.
func (c *Cluster) OwnerOf(key string) int {
	c.t.Helper()
	slot, _ := c.Masters[0].Do("CLUSTER", "KEYSLOT", key).(int64)
	for i := range c.Masters {
		if int(slot) < (i+1)*slots/len(c.Masters) {
			return i
		}
	}
	panic("unreachable")
}
