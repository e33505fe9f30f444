// Package filestore keeps leases in a directory of this machine: no server, no
// setup. Start at [Open]; everything else is [lockcore.Store].
//
// # What it promises
//
// All processes of one machine that open the same directory and namespace share
// one state. The default directory belongs to one user: for a machine on which
// tests run under several accounts, make a directory for all of them and name it
// (file:///var/lib/rtest):
//
//	sudo mkdir -p /var/lib/rtest
//	sudo chgrp lab /var/lib/rtest && sudo chmod 2770 /var/lib/rtest
//
// On top of what every store promises, no timeout is needed to know that a process
// died: the kernel drops the file lock that the process held as its sign of life. The
// next process that checks takes back its leases and its places in line, and while a
// process waits, one checks every 100 ms. A process that is merely stopped loses its leases when their TTL ends,
// as in every store.
//
// # How
//
// The state is one small file, changed under an exclusive kernel file lock.
// Each step opens the file anew, so that a deleted or replaced file is noticed,
// writes the new state beside the old one and makes it valid by writing a header
// of 120 bytes: a process killed in between leaves the old state. When a state is
// larger than a page, a step writes only what it changed, to a log behind the state,
// and a process that made a step before reads only what was appended since: with
// 1,000 holders a step takes as long as with one. The
// store does not call fsync. A crash of the machine can lose the leases, but their
// holders died in the same crash.
//
// One process at a time changes the state. The others queue, in a file too, so that a
// process that makes many changes in a row cannot overtake them. A process that is killed or stopped in the queue is taken out of it.
//
// Order has its price: with two processes nobody has to be woken for a turn, with more
// everybody has, and finds a processor that has worked for others meanwhile. So twenty
// make fewer turns together than two. BenchmarkProcesses shows how many beside what
// twenty make that take turns without a store, in the same run.
//
// A process that waits is woken through a named pipe of its own. Measured on
// Linux, sleeping receiver, time from sending to awake, median of three rounds
// of 1,000: named pipe 62 µs, unix datagram socket 71 µs, UDP 61 µs, fsnotify
// 98 µs. The pipe was chosen over the socket because its path may be long, and
// because writing to a full pipe fails at once: a stopped receiver blocks nobody.
// fsnotify is slower, merges and drops events, and its watches are few. Where
// there are no named pipes (Windows, some shared folders) UDP on the loopback
// interface stands in. A wake-up that gets lost costs about 100 ms.
//
// # What it is not for
//
// Several machines. A network file system may keep locks to one machine, and has no
// common clock, so those that can be recognised are refused.
package filestore
