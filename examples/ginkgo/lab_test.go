package ginkgo_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/examples/boards/lab"
	"github.com/resourcelocker/resourcelocker/examples/internal/overlap"
	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// work proves that nobody else uses the boards, and takes its time.
func work(ctx context.Context, boards ...lab.Board) {
	GinkgoHelper()
	lab.Use(GinkgoTB(), boards...)
	for _, b := range boards {
		Expect(b.Work(ctx, 10*time.Millisecond)).To(Succeed())
	}
}

var _ = Describe("a board", func() {
	var board lab.Board

	// The lease is there before the first BeforeEach.
	BeforeEach(func(ctx SpecContext) {
		board = boards.From(ginkgolock.Lease(ctx))[0]
		GinkgoWriter.Println("on", board.Port)
	})

	It("boots", ginkgolock.Needs(boards), SpecTimeout(10*time.Second), func(ctx SpecContext) {
		work(ctx, board) // the ten seconds begin when the board is there
	})

	It("pairs with another", Label("lock:board*2"), func(ctx SpecContext) {
		pair := boards.From(ginkgolock.Lease(ctx))
		Expect(pair).To(HaveLen(2))
		work(ctx, pair...)
	})

	It("takes the new firmware", ginkgolock.Needs(newer), func(ctx SpecContext) {
		Expect(newer.One(ginkgolock.Lease(ctx)).FW).To(BeNumerically(">=", 4))
		work(ctx, newer.One(ginkgolock.Lease(ctx)))
	}, FlakeAttempts(2))

	// The label would rename the spec in dashboards; this does not.
	It("reports to staging", ginkgolock.Lock("board", "staging:shared"), func(ctx SpecContext) {
		overlap.Read(GinkgoTB(), staging.One(ginkgolock.Lease(ctx)))
		work(ctx, board)
	})
})

var newer = boards.Where(func(b lab.Board) bool { return b.FW >= 4 })

// What containers and specs need adds up to one request.
var _ = Describe("in the chamber", ginkgolock.Needs(lab.Chamber), func() {
	BeforeEach(func() { lab.UseChamber(GinkgoTB()) })

	DescribeTable("the signal is clean", func(ctx SpecContext, n int) {
		some := boards.From(ginkgolock.Lease(ctx))
		Expect(some).To(HaveLen(n))
		work(ctx, some...)
	},
		Entry("of one board", ginkgolock.Needs(boards), 1),
		Entry("of three", Label("lock:board*3"), 3),
	)
})

// An Ordered container holds from its first spec to its last what one of them
// needs at most: the board that was flashed is the board that is started.
var _ = Describe("an upgrade", Ordered, ginkgolock.Needs(boards), func() {
	var board lab.Board
	BeforeAll(func(ctx SpecContext) {
		board = boards.One(ginkgolock.Lease(ctx))
		lab.Use(GinkgoTB(), board) // until the container is over
	})
	It("flashes", func(ctx SpecContext) { Expect(board.Work(ctx, 10*time.Millisecond)).To(Succeed()) })
	It("starts", func(ctx SpecContext) {
		Expect(boards.One(ginkgolock.Lease(ctx))).To(Equal(board))
		Expect(board.Work(ctx, 10*time.Millisecond)).To(Succeed())
	})
})

var _ = Describe("without decorators", func() {
	It("acquires in mid-spec", func(ctx SpecContext) {
		board := rtest.Get(GinkgoTB(), boards)[0]
		work(ctx, board)
	})
})
