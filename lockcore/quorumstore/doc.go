// Package quorumstore keeps leases on a majority of several independent Redis
// masters: Redlock, after the algorithm in the documentation of Redis. Start at
// [Open], or at [New] with clients of your own.
//
// # What is promised
//
// A lease is held once a majority of the servers, N/2+1 of N, took all of its
// keys, each server all or none, and the time that this took leaves enough of
// the TTL. No two leases have the same exclusive key, as long as a server that
// lost its data stays away for at least one TTL (the longest in use) before it
// answers again: configure the restart delay of its supervisor so, or
// appendfsync always. A minority that is down, cut off or stopped changes
// nothing; a server that comes back is taken into the leases again by their next
// renewal, where nobody else holds the keys. Without a majority, requests end
// with [lockcore.ErrNoQuorum] within a bounded time, naming the servers and what
// is wrong with each, and leases are lost before anybody else can win them.
//
// # What is not
//
// There is no order among waiters, and so no bound on how long a big request
// waits beside many small ones: N servers without a common line cannot give one.
// There is no fencing token; [lockcore.Lease.Token] is 0. Snapshots show the
// waiters of the own process only. If these matter, use one server with
// replicas: package redisstore.
//
// # How
//
// The client chooses concrete keys from what a majority of servers says is free,
// asks all servers at once for them, and counts the votes: won, lost or pending
// (see vote.go, a pure function). A lost vote is undone everywhere, also on
// servers that answer late, and tried again after a short random pause, or when
// any server publishes that something came free. Each server is given a time
// limit far below the TTL, so that those that are down do not slow down the
// rest. Clocks are assumed to drift apart by less than a hundredth.
package quorumstore
