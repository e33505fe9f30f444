package suite

import (
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func init() {
	scenarios["kinds"] = kinds
	scenarios["doubles"] = doubles
	scenarios["preview"] = preview
	prologues["preview"] = func() { PreviewSpecs("preview") }
	scenarios["first"] = func() {
		Describe("some", func() {
			for i := range 6 {
				It(fmt.Sprint("free-", i), func() { say("ran free") })
			}
		})
		Describe("scarce", func() {
			It("scarce", Label("lock:k64f"), func() { say("ran scarce") })
		})
		Describe("last", func() {
			It("last", Label("lock:k64f"), SpecPriority(-1), func() { say("ran last") })
		})
		Describe("lowest", SpecPriority(-1), func() {
			It("lowest", Label("lock:k64f"), func() { say("ran lowest") })
		})
		Describe("more", func() {
			for i := range 6 {
				It(fmt.Sprint("free-", i), func() { say("ran free") })
			}
		})
	}
	prologues["first"] = func() {
		if os.Getenv("FIRST") != "" {
			ginkgolock.StartFirst(1)
		}
	}
}

// kinds is one of each.
func kinds() {
	It("outside", ginkgolock.Needs(boards), func(ctx SpecContext) { hold(ctx) })
	Describe("plain", plain)
	sum()
	table()
	Describe("attempts", attempts)
	Describe("around", func() { Describe("ordered", Ordered, Label("lock:k64f"), ordered) })
}

// plain specs have the lease in all their nodes.
func plain() {
	var inBefore *rtest.Lease
	BeforeEach(func(ctx SpecContext) {
		inBefore = ginkgolock.Lease(ctx)
		DeferCleanup(func(ctx SpecContext) {
			Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(inBefore))
			Expect(inBefore.Context().Err()).NotTo(HaveOccurred(), "it is held in cleanup functions")
		})
	})
	AfterEach(func(ctx SpecContext) { Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(inBefore)) })
	It("decorator", ginkgolock.Needs(boards.Need(2)), func(ctx SpecContext) {
		Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(inBefore))
		Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(2))
		hold(ctx)
	})
	It("label", Label("lock:k64f*2"), func(ctx context.Context) {
		Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(2))
	})
	It("name", ginkgolock.Lock("k64f*3", "staging:shared"), func(ctx SpecContext) {
		Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(3))
		Expect(staging.One(ginkgolock.Lease(ctx))).To(Equal("staging-1"))
		hold(ctx)
	})
	It("serial", Serial, Label("lock:k64f*3"), func(ctx SpecContext) { hold(ctx) })
	PIt("pending", Label("lock:k64f"), func(ctx SpecContext) { hold(ctx) })
}

// sum is of what containers and a spec need.
func sum() {
	Describe("sum", Label("lock:k64f"), ginkgolock.Needs(chamber), func() {
		Context("of containers", Label("lock:k64f", "lock:staging:shared"), func() {
			It("and spec", Label("lock:k64f*2"), func(ctx SpecContext) {
				l := ginkgolock.Lease(ctx)
				Expect(boards.From(l)).To(HaveLen(3), "a label that stands twice counts once, different ones add up")
				Expect(chamber.One(l)).To(Equal("chamber"))
				Expect(staging.One(l)).To(Equal("staging-1"))
				hold2(l, "board-1", "board-2", "board-3", "chamber")
				say("ran sum")
			})
		})
	})
}

func table() {
	DescribeTable("table", ginkgolock.Needs(boards), func(ctx SpecContext, n int) {
		Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(n))
		hold(ctx)
	},
		Entry("one", 1),
		Entry("two", ginkgolock.Needs(boards), 2),
		Entry("three", Label("lock:k64f*2"), 3),
	)
}

// attempts keep the lease.
func attempts() {
	var first *rtest.Lease
	attempts := 0
	It("flake", FlakeAttempts(3), Label("lock:k64f"), func(ctx SpecContext) {
		attempts++
		if first == nil {
			first = ginkgolock.Lease(ctx)
		}
		Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(first), "retries keep the lease")
		Expect(attempts).To(Equal(3))
		say("ran flake")
	})
	var repeated *rtest.Lease
	It("repeat", MustPassRepeatedly(3), Label("lock:k64f"), func(ctx SpecContext) {
		if repeated == nil {
			repeated = ginkgolock.Lease(ctx)
		}
		Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(repeated))
		say("ran repeat")
	})
}

// ordered specs share the lease of their container.
func ordered() {
	var l *rtest.Lease
	var done func()
	BeforeAll(func(ctx SpecContext) {
		l = ginkgolock.Lease(ctx)
		Expect(boards.From(l)).To(HaveLen(2), "what one of the specs needs at most")
		done = use(l.Keys())
		DeferCleanup(func(ctx SpecContext) {
			Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(l))
			Expect(l.Context().Err()).NotTo(HaveOccurred(), "it is held when BeforeAll is cleaned up")
			done()
		})
	})
	BeforeEach(OncePerOrdered, func(ctx SpecContext) { Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(l)) })
	It("o1", func(ctx SpecContext) { Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(l)) })
	Context("nested", func() {
		It("o2", Label("lock:k64f*1"), func(ctx SpecContext) {
			Expect(ginkgolock.Lease(ctx)).To(BeIdenticalTo(l))
		})
	})
	It("o3", func(ctx SpecContext) { say("ran ordered") })
	PIt("o4", Label("lock:k64f*2"), func() {})
}

func hold2(l *rtest.Lease, keys ...string) {
	Expect(l.Keys()).To(ContainElements(keys))
	done := use(keys)
	time.Sleep(2 * time.Millisecond)
	done()
}

// doubles have text and line in common, but not what they need.
func doubles() {
	Describe("doubles", func() {
		for i := range 3 {
			It("twin", ginkgolock.Needs(boards.Need(i+1)), func(ctx SpecContext) {
				say("twin %d has %d", i+1, len(ginkgolock.Lease(ctx).Keys()))
			})
		}
		for i := range 2 {
			It("", ginkgolock.Needs(boards.Need(i+1)), func(ctx SpecContext) {
				say("nameless %d has %d", i+1, len(ginkgolock.Lease(ctx).Keys()))
			})
		}
		It("twin", func(ctx SpecContext) { say("twin 0 has 0") })
	})
}

// preview looks at the tree before it runs it, which costs nodes that stand
// outside of containers.
func preview() {
	Describe("previewed", func() {
		It("spec", ginkgolock.Needs(boards), func(ctx SpecContext) { hold(ctx) })
	})
	It("outside", ginkgolock.Needs(boards), func(ctx SpecContext) { hold(ctx) })
}
