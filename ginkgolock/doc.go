// Package ginkgolock gives Ginkgo specs what they need of a shared pool, and
// makes them wait for it in line with all other processes and machines.
//
// Say what a spec needs by a decorator, on It, Entry, DescribeTable, Describe,
// Context, When or an Ordered container:
//
//	var boards = rtest.R("board-1", "board-2", "board-3")
//
//	It("pairs", ginkgolock.Needs(boards.Need(2)), func(ctx SpecContext) {
//		pair := boards.From(ginkgolock.Lease(ctx))
//		...
//	})
//
// or by a label, Label("lock:k64f*2"), once [Pool] has given the pool a name; or
// by that name without a label, with [Lock].
//
// What the containers of a spec and the spec itself need adds up to one request,
// that is granted as a whole or not at all. The spec holds it from before its
// first BeforeEach until after its last DeferCleanup, through all attempts of
// FlakeAttempts and MustPassRepeatedly. An Ordered container takes,
// before its first spec, enough for any one of its specs, and holds it until after
// its last: a spec that took its own could wait while its container holds the rest. Specs that are
// filtered out, pending or not in focus need nothing by themselves.
//
// The wait is over before the spec's clock starts: it counts neither against
// SpecTimeout and NodeTimeout nor into the run time that reports show. It ends
// with the suite's timeout, an interrupt, or another process's failure under
// --fail-fast. A progress report shows the place in line and who is in the way.
// When the wait ends without a grant, the spec fails or is skipped, as rtest.OnBusy and
// rtest.OnError say.
//
// A mistake stops the construction of the suite with an error that shows its line:
// a pool that is not registered, a count that is no number, more than the pool has. A
// lock label on RunSpecs is an error before the first spec: no node stands for the
// whole suite and could hold a lease ([rtest.Main] can).
//
// On an interrupt, specs end in order and give back. After a second interrupt Ginkgo
// skips cleanup functions, and the leases are still given back. After a third one, or
// kill -9, nothing is given back. Then a lease ends with its process where the store is on this machine, and elsewhere
// when it runs out (RTEST_TTL, 30 s). When the ginkgo command is killed, the
// processes that it leaves behind end their specs, give back and stop.
//
// If a lease is lost meanwhile, the contexts of the spec's nodes are cancelled,
// with a cause that wraps lockcore.ErrLost, and the spec fails.
//
// Needs on SynchronizedBeforeSuite is one lease for all parallel processes,
// which lives as long as any of them; on BeforeSuite, one for each process.
// Requirement.From with a nil lease tells the specs what it has.
//
// The lease of a spec is reported as properties of its test case in JUnit files
// (rtest.req, rtest.waited_s, rtest.resources and more).
package ginkgolock
