package ginkgolock_test

import (
	"fmt"

	"github.com/onsi/ginkgo/v2"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// A suite would say these by dot imports: It, Describe, Label. The specs of an
// example are not run.
func Example() {
	boards := rtest.R("board-1", "board-2", "board-3")

	ginkgo.Describe("pairing", func() {
		ginkgo.It("pairs two boards", ginkgolock.Needs(boards.Need(2)), func(ctx ginkgo.SpecContext) {
			pair := boards.From(ginkgolock.Lease(ctx))
			fmt.Println(pair[0], "and", pair[1])
		})
	})
	fmt.Println(len(ginkgolock.Needs(boards)), "decorator")
	// Output: 1 decorator
}

func ExamplePool() {
	meters := ginkgolock.Pool("meter", rtest.R("meter-1", "meter-2"))

	// ginkgo --label-filter='lock: containsAny meter*2' selects the first.
	ginkgo.Describe("meters", func() {
		ginkgo.It("agree", ginkgo.Label("lock:meter*2"), func(ctx ginkgo.SpecContext) {
			fmt.Println(meters.From(ginkgolock.Lease(ctx)))
		})
		ginkgo.It("can be read together", ginkgo.Label("lock:meter:shared"), func() {})
	})
	// Output:
}

func ExampleLock() {
	ginkgolock.Pool("chamber", rtest.R("chamber-1"))

	// The same as Label("lock:chamber"), but reports keep the name of the spec.
	ginkgo.Describe("radio", ginkgolock.Lock("chamber"), func() {
		ginkgo.It("is silent", func() {})
	})
	// Output:
}

func ExampleStartFirst() {
	// In the test function, before RunSpecs:
	ginkgolock.StartFirst(1)
	defer ginkgolock.StartFirst(0)
	// Output:
}
