// Package suspects finds what the failures of tests follow: a resource, a tag of
// resources, or one test on one resource. Give each run of a test to
// [Collector.Add], from one run of a suite or from a month of them, then ask
// [Collector.Find].
//
// # Method
//
// Tests fail at different rates, and not every test runs on every board. So each test
// is compared with itself only: how often does it fail with the resource, and how
// often without it?
//
//	            on board-3     elsewhere
//	TestFlash   5 of 8 failed  1 of 30
//	TestSoak    4 of 6 failed  1 of 31
//
// If the board had nothing to do with it, each test's failures would be spread over
// its runs by chance: the number of those on board-3 has a hypergeometric
// distribution, and their sum over all tests the convolution of these. The
// probability of that sum, or a larger one, is the exact conditional test for a
// common odds ratio in several 2x2 tables (M. Zelen, "The analysis of several 2x2
// contingency tables", Biometrika 58, 1971; J. J. Gart, "Point and interval
// estimation of the common odds ratio in the combination of 2x2 tables with fixed
// marginals", Biometrika 57, 1970). It needs no large numbers, as the chi-squared test
// of Cochran, Mantel and Haenszel does. Tests that always or never fail, or that ran
// on nothing else, say nothing, and do not count.
//
// Who looks at a hundred boards finds one that chance made look bad. Probabilities
// are therefore corrected for the number of comparisons (S. Holm, "A simple
// sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
// 6, 1979; which of them count: R. E. Tarone, "A modified Bonferroni method for
// discrete data", Biometrics 46, 1990): of a hundred healthy labs, at most five have a
// suspect at all. Four of these go to resources and tags, one to pairs of a test and a
// resource.
//
// One sick board makes its tags look bad, too, and a bad firmware all boards that have
// it. The clearest is taken first, and the others are compared again without its runs.
//
// Below [UsesLeast] runs with it, or [FailuresLeast] failures, nothing is a suspect,
// whatever its probability. Left out are runs that were skipped, that gave up waiting,
// whose end is not known, and all of a suite's run in which nearly everything failed:
// there, something else was broken.
//
// # How well it works
//
// Simulated labs, 300 of each row, in which each test runs on a random board, which
// is used 50 times in the healthy ones; in the sick ones board-1 fails 30 of 100 more.
// go test -run TestSimulatedLabs -v -labs 300
// ./report/suspects prints this table, in two minutes:
//
//	boards tests  fail  healthy labs with  sick board found within  another found
//	                    a suspect          25    50    100  uses    besides
//	   5    20     0%  0.0%               91.7% 100.0%100.0%       0.0%
//	   5    20     2%  0.3%               74.7% 98.0% 100.0%       0.0%
//	   5   200    10%  1.7%               8.3%  52.7% 99.3%        1.7%
//	  20    20     2%  1.0%               92.3% 99.7% 100.0%       0.0%
//	  20   200     2%  0.3%               67.0% 99.0% 100.0%       0.0%
//	  20   200    10%  1.0%               35.0% 87.7% 100.0%       1.7%
//	  50    20    10%  2.0%               66.3% 96.3% 100.0%       1.3%
//	  50   200     2%  0.7%               78.3% 99.3% 100.0%       0.0%
//	  50   200    10%  2.0%               46.7% 92.7% 100.0%       2.7%
//
// The hardest labs are those of few boards and many tests that fail now and then: in
// the third row each test has run two or three times after 100 uses, so that there is
// little to compare it with.
//
// No library of Go that was looked at has this test, or the hypergeometric
// distribution (gonum 0.17 has neither), so both are here; a test compares them with
// counting all cases.
package suspects

const (
	// UsesLeast is how many runs with it a suspect needs.
	UsesLeast = 5
	// FailuresLeast is how many of them must have failed.
	FailuresLeast = 3

	alpha       = 0.05 // labs of which chance makes something a suspect
	alphaSingle = 0.04 // a resource or a tag; the rest is for pairs
	// excess is how much more often something must fail with a suspect than without:
	// what is smaller may be real, and is nothing to mend first.
	excess = 0.1
	// A run of a suite in which more than this part failed, of so many at least, was
	// broken as a whole.
	brokenPart  = 0.8
	brokenLeast = 5
	// A test that fails at least so often, with several resources, fails everywhere.
	everywherePart = 0.5
)

// A Result is what [Collector.Find] found.
type Result struct {
	Runs     int `json:"runs"`     // of tests, that were compared
	Failed   int `json:"failed"`   // of these
	Skipped  int `json:"skipped"`  // runs without a word on resources: skipped, or not served
	Unknown  int `json:"unknown"`  // runs whose end is not in the events
	Broken   int `json:"broken"`   // runs in suites in which nearly everything failed
	Compared int `json:"compared"` // resources, tags, and pairs of a test and a resource

	Suspects   []Suspect `json:"suspects"`   // the clearest first
	Everywhere []Test    `json:"everywhere"` // tests that fail wherever they run
}

// A Kind is what a suspect is.
type Kind string

// The kinds of suspects.
const (
	Resource Kind = "resource"
	Tag      Kind = "tag"
	Pair     Kind = "pair" // of a test and a resource
)

// A Suspect is what failures follow.
type Suspect struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`           // of the resource, or the tag as name=value
	Pkg  string `json:"pkg,omitempty"`  // of the test of a pair
	Test string `json:"test,omitempty"` // of a pair

	Uses      int `json:"uses"`             // runs of tests with it
	Failed    int `json:"failed"`           // of these
	Else      int `json:"elsewhere"`        // runs of the same tests without it
	ElseFails int `json:"elsewhere_failed"` // of these

	P float64 `json:"p"` // how likely chance alone is, corrected for all that was compared
}

// A Test is one that fails wherever it runs.
type Test struct {
	Pkg       string `json:"pkg,omitempty"`
	Name      string `json:"name"`
	Runs      int    `json:"runs"`
	Failed    int    `json:"failed"`
	Resources int    `json:"resources"` // that it ran on and failed with
}
