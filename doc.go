// Package resourcelocker is the root of the module: a map, without code.
//
// Test runs share scarce things: lab boards, cloud accounts, licence seats,
// staging environments. A test says what it needs, gets all of it or waits in
// line, and gives it back whatever happens to it. Afterwards a report says who
// waited for what, and because of whom.
//
// # Where to start
//
//   - Tests for go test: package [rtest], two calls.
//   - Suites for Ginkgo: package [ginkgolock], decorators and labels.
//   - Programs that are no tests: package [lockcore], with a store that
//     [storeurl] opens from a URL.
//   - The command line tool: go tool rtest-report, in cmd/rtest-report.
//   - Whole suites that run as they stand: examples/.
//
// # The lock
//
//   - [lockcore] is the vocabulary (requirement, request, lease), the contract of
//     a store, the loop that waits and the loop that renews. It imports nothing
//     but the standard library.
//   - lockcore/internal/sched decides who is granted what: a pure state machine
//     without clock or I/O. Every ordered store follows it.
//   - [memstore] (one process), [filestore] (one machine), [redisstore] (Redis or
//     Valkey) and [quorumstore] (several Redis masters, by vote) keep who holds
//     what. The last two run Lua scripts on the server.
//   - [inventory] reads the file that lists the pools of a laboratory, for rtest,
//     ginkgolock and the command line tool alike.
//   - [nested] lets programs below one that holds resources use them.
//   - lockcore/hold takes resources for the time of a function, typed, in programs
//     that are no tests.
//   - lockcore/environ is what the environment says: the RTEST_ variables, and what
//     is fixed when the process starts. lockcore/latedial keeps the pools of
//     go-redis from writing about servers that are down.
//   - [locktest] tells whether a store keeps its promises, [simulate] plays
//     workloads through the scheduler.
//
// # The report
//
//   - [eventlog] is the record: one JSON line an event, written by [rtest], read
//     by everything below.
//   - [report] folds events into the data of a report: who waited for whom.
//   - [live] is the page of who has what now, which rtest-report serve shows.
//   - [redisreport] keeps sums by tag in Redis, as the Python package
//     resource_locker does.
//
// # Stability
//
// Before 1.0 an identifier may change in a minor version; CHANGELOG.md then says
// what to write instead. Formats (events, the stores' records, reports in JSON)
// carry a version: a later release reads what an earlier one wrote, or says that
// it cannot.
//
// [rtest]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/rtest
// [ginkgolock]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/ginkgolock
// [lockcore]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore
// [storeurl]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/storeurl
// [memstore]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/memstore
// [filestore]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/filestore
// [redisstore]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/redisstore
// [quorumstore]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/quorumstore
// [inventory]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/inventory
// [nested]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/nested
// [locktest]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/locktest
// [simulate]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/lockcore/simulate
// [eventlog]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/report/eventlog
// [report]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/report
// [live]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/report/live
// [redisreport]: https://pkg.go.dev/github.com/resourcelocker/resourcelocker/report/redisreport
package resourcelocker
