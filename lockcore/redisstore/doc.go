// Package redisstore keeps leases in Redis or Valkey, for many machines that
// share one lab. Start at [Open], or at [New] with a client of your own;
// [Store.Check] warns of server settings that could cost leases.
//
// # How
//
// A free request is granted by one script call, and given back by another. A
// request that has to wait stands in a line on the server; the script that gives
// a resource back hands it to the next in line in the same step and publishes
// the grant, so that a hand-over costs one round trip. Messages are hints: a
// waiter also asks every few seconds, which is its heartbeat, so a lost message
// costs a heartbeat and never a hang. A waiter that was granted and does not
// confirm within 5 s loses the grant to the next.
//
// The scripts do what must be atomic, by the rules of the scheduler that all
// stores share. Time is the server's, read once a script. Leases live in keys
// without a TTL of their own, all with one hash tag a namespace.
//
// # Backfill
//
// The server remembers the last 20 holds of each test, for all machines together:
// of ten thousand tests, for 90 days; [Store.History] lists them. A request may use
// what is reserved for an earlier one if it is expected to give it back soon enough,
// by what it says itself or by the median of those holds; see [lockcore.Backfill].
// Options.Policy turns that off, for a namespace as a whole. Versions of this package
// with other rules for it do not serve one line: whoever comes later gets an error
// until nobody holds or waits. Nobody is let past a waiter that has more than a thousand candidates, or
// that waits for a lock of another program: working out when it could start would
// take too long, or is impossible.
//
// # Reservations and outages
//
// A reservation is a lease that nobody renews. A lease of its own keeps a key that is
// out of service, beside the lease of its holder. How the last use of a key ended, if
// that was not in order, stands in the record of the key, so that only requests that
// are given such a key pay for it.
//
// # What is promised
//
// On one server, as long as it keeps its data: everything that [lockcore.Store]
// says. A server that is restarted with its data, a flushed script cache and cut
// connections change nothing. A lease that the server no longer has is taken up
// again only if none of its keys was granted in between; otherwise its holder is
// told that it is lost, at the next renewal (a third of the TTL) at the latest.
//
// A server that lost all its data lost what would tell of such a grant, too. So a
// lease comes back after one FLUSHALL, and is lost after two, or if its keys were
// deleted by hand. What the server itself cannot tell apart is one restart without
// data, or with older data, from two: a grant between two such restarts, given back
// within a third of the TTL, goes unnoticed by the holder before. appendonly yes
// prevents it. The same goes for a user that may not call INFO. Nor can it tell one
// FLUSHALL from one that is followed by a deletion by hand:
//
//	A holds the board; FLUSHALL
//	B is granted the board, and gives it back; somebody deletes the keys by hand
//	A renews, and has its lease again: nothing is left that tells of B
//
// With Sentinel or in a Cluster, replication is asynchronous: a master that dies
// can take the last grants with it, and its replica may grant the same keys
// again. With Options.MinReplicas a grant or renewal counts only once so many
// replicas have it, and is given back if too few answer; without, a doubly held
// key is possible for up to a third of the TTL, until the first holder is told.
//
// The same goes for reservations and outages, which nobody renews: one that the
// replica does not have is over after the fail-over, and the resource goes to the next
// in line. With Options.MinReplicas, to reserve, extend or disable is an error if too
// few replicas have it.
//
// Fencing tokens rise strictly within a namespace while the server keeps its
// data. After a fail-over that lost data they may fall behind.
//
// Behind Sentinel, a store made by [Open] asks for the master before a command, at most
// once a second, and leaves one that is no longer named. So a master that the Sentinels
// have replaced renews no lease, though it may still be reached, as long as one of them
// can be reached, too. A server that says itself that it is a replica is not used.
//
// # How much one server carries
//
// A server runs one script at a time, so what counts is its time. Ten boards were handed
// on, each by the first run of a test, on a machine with two processors that had little
// other work; of two runs, the lower and the higher figure:
//
//	in line   commands inside, a grant   server, a grant   a poll    polls use   room for
//	    10    41                         0.26 to 0.27 ms   0.04 ms      0 %      3,700 to 3,900 grants/s
//	 1,000    41                         0.25 to 0.28 ms   0.03 ms      1 %      3,500 to 4,000
//	10,000    41                         0.34 to 0.43 ms   0.03 ms 6 to 7 %      2,200 to 2,800
//
// A machine that is slower, or busy, takes several times as long. A grant is one script
// that joins the line, one that releases and hands over, and one that confirms. The first
// two take 0.08 ms together, and call 22 commands, for a program that is no test, where
// nobody was let past others, and what is given back, with what was left, is enough for the
// first one in line and too little for each of the others: then they need look at nobody
// else. The same goes for a test that has run before. A grant costs about the same behind
// ten and behind ten thousand; what grows is that each in line asks every 5 s. Whoever holds
// renews every 10 s, at the usual TTL, for about what a poll costs. A request that is
// granted at once, and given back, takes 0.06 ms in all. The command that prints this, and
// more:
//
//	go test -run '^$' -bench ServerTime -benchtime 1x ./lockcore/redisstore
//
// Connections cost little: 300 that are silent keep a processor busy for 0.15 %, 3,000
// for 0.3 %, 10,000 for 1 %. A process has one, and one more while it waits. So for a
// lab whose tests hold for a minute:
//
//	connections   in line   holding   polls   renewals   hand-overs        together
//	       300        200       100     0 %       0 %    1.7/s,   0 %           0 %
//	     1,000        800       200     1 %       0 %    3.3/s,   0 %           1 %
//	    10,000      8,000     2,000     5 %       1 %     33/s,   1 %     about  8 %
//
// One server is enough for several namespaces until they use half of a processor
// together. One namespace that does so by itself, with some 1,000 hand-overs a second,
// wants a server of its own: what is beside it waits for its scripts. A namespace lies in
// one slot, so a Cluster makes none faster. Beyond about 20,000 in line, or where a
// processor is busy with one namespace, divide the lab into namespaces whose pools have
// nothing in common; a Cluster puts them on several masters.
//
// # What is not
//
// Nothing is promised on a server that evicts keys, or to clients whose clocks
// run at very different speeds. A lease is a promise about time: watch its
// context.
//
// # Settings of the server
//
// maxmemory-policy noeviction, so that a full server refuses instead of throwing
// leases away. appendonly yes, so that a restart keeps them. With replicas,
// min-replicas-to-write 1 and min_replicas=1 in the URL. Redis 6 or newer, or
// Valkey; a user whose rights are limited by ACL needs scripts, hashes, sorted
// sets, sets and pub/sub on the keys and channels that begin with "{rtest:".
package redisstore
