package first

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var boards = ginkgolock.Pool("k64f", rtest.R("board-1", "board-2", "board-3"))

func TestFirst(t *testing.T) { RegisterFailHandler(Fail); RunSpecs(t, "first") }

var _ = Describe("boards", func() {
	BeforeEach(func(ctx SpecContext) { Expect(boards.From(ginkgolock.Lease(ctx))).NotTo(BeEmpty()) })
	It("one", ginkgolock.Needs(boards), func(ctx SpecContext) { Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(1)) })
	It("two", Label("lock:k64f*2"), func(ctx SpecContext) { Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(2)) })
	DescribeTable("tab", ginkgolock.Needs(boards), func(ctx SpecContext, n int) {
		Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(n))
	}, Entry("a", 1), Entry("b", ginkgolock.Needs(boards), 2))
})
