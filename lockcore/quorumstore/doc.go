// Package quorumstore keeps leases on a majority of several independent Redis
// masters: Redlock, after the algorithm in the documentation of Redis. Start at
// [Open], or at [New] with clients of your own.
//
// # What is promised
//
// A lease is held once a majority of the servers, N/2+1 of N, took all of its
// keys, each server all or none, and the time that this took leaves enough of
// the TTL. No two leases have the same exclusive key, under two conditions:
//
//   - A server that lost its data, because it was killed without appendfsync
//     always, stays away for at least one TTL (the longest in use, 30 s by
//     default) before it answers again. Configure the restart delay of its
//     supervisor so (RestartSec= of systemd, say). Without it, a server that
//     forgot a lease can vote for somebody else at once.
//   - The clocks of servers and clients run at the same speed to a hundredth, and
//     those of the servers are not set forward: slew them instead.
//
// A minority that is down, cut off or stopped changes nothing, and costs at most
// one time limit ([Config.NodeTimeout]) when it goes; a server that comes back is
// taken into the leases again by their next renewal, where nobody else holds the
// keys. Without a majority, requests end with [lockcore.ErrNoQuorum] when that time
// limit is over, naming the servers and what is wrong with each, and a lease is
// lost, with its context cancelled, before anybody else can win its keys.
//
// Reservations and disabled keys stand on the servers that took them, once a majority
// has: nobody renews them. A server that loses its data loses them too, and when
// fewer than a majority are left, they are over. Where people reserve for days, let
// the servers keep their data (appendonly yes). How uses of a key ended is remembered
// by each server; if two disagree, the worse is told.
//
// # What is not
//
// There is no order among waiters, and so no bound on how long a big request
// waits beside many small ones: N servers without a common line cannot give one.
// There is no fencing token; [lockcore.Lease.Token] is 0, so a resource cannot
// tell a holder that was stopped beyond its TTL from the one after it. Circles of
// nested requests are recognised within a process only, as snapshots show the
// waiters of the own process only. Nor can a person reserve at the front of the line:
// there is none that all share. If these matter, use one server with replicas:
// package redisstore.
//
// # How
//
// The client chooses concrete keys from what a majority of servers says is free,
// asks all servers at once for them, and counts the votes: won, lost or pending
// (see vote.go, a pure function). A lost vote is undone everywhere, also on
// servers that answer late, and tried again after a short random pause, or when
// any server publishes that something came free. Each server is given a time
// limit far below the TTL, so that those that are down do not slow down the
// rest; those that are merely far away are waited for as long as they usually take.
package quorumstore
