package suite

import (
	"context"
	"fmt"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func init() {
	scenarios["shared suite"] = func() {
		SynchronizedBeforeSuite(func() []byte {
			say("process 1 is %d", os.Getpid())
			return []byte("data")
		}, func(ctx context.Context, data []byte) {
			Expect(data).To(BeEquivalentTo("data"))
			Expect(chamber.From(nil)).To(Equal([]string{"chamber"}))
		}, ginkgolock.Needs(chamber))
		Describe("specs", func() {
			for i := range 3 {
				It(fmt.Sprint("spec", i), ginkgolock.Needs(boards), func(ctx SpecContext) {
					Expect(chamber.From(nil)).To(Equal([]string{"chamber"}))
					Expect(boards.From(ginkgolock.Lease(ctx))).To(HaveLen(1))
					say("running %d", GinkgoParallelProcess())
					await(ctx, "go-on")
					Expect(ctx.Err()).NotTo(HaveOccurred())
					say("finished")
				})
			}
		})
		Describe("without", Serial, func() {
			It("has that of the suite", func(ctx SpecContext) { Expect(ginkgolock.Lease(ctx).Keys()).To(Equal([]string{"chamber"})) })
			It("cannot have it twice", ginkgolock.Needs(chamber), func(ctx SpecContext) {})
		})
	}

	scenarios["suite of each"] = func() {
		BeforeSuite(func(ctx SpecContext) {
			say("process %d has %s", GinkgoParallelProcess(), boards.One(nil))
		}, ginkgolock.Needs(boards))
		for i := range 3 {
			It(fmt.Sprint("spec", i), func(ctx SpecContext) {
				defer use(ginkgolock.Lease(ctx).Keys())()
				say("running %d", GinkgoParallelProcess())
				await(ctx, "go-on")
			})
		}
	}

	// Labels of the suite, with specs that need something, and without.
	for name, args := range map[string][]any{"suite label needs": ginkgolock.Needs(boards), "suite label": nil} {
		labels[name] = Label("slow", " lock:chamber*2 ")
		scenarios[name] = func() {
			Describe("labelled", func() {
				It("one", args, func() { say("ran one") })
				It("two", func() { say("ran two") })
			})
		}
	}

	// Only one of the specs needs something; it has the options of its container.
	scenarios["options"] = func() {
		Describe("options", ginkgolock.Needs(rtest.Wait(0), rtest.OnBusy(rtest.Skip)), func() {
			It("needs", ginkgolock.Needs(chamber), func() { say("ran needs") })
			It("needs nothing", func() { say("ran needs nothing") })
		})
		Describe("ordered", Ordered, ginkgolock.Needs(rtest.Wait(0)), func() {
			It("o1", func() { say("ran o1") })
			It("o2", func() { say("ran o2") })
		})
	}

	scenarios["suite without"] = func() {
		SynchronizedBeforeSuite(func() {}, func() { say("ran BeforeSuite") }, ginkgolock.Needs(rtest.Wait(0)))
		It("spec", func() { say("ran spec") })
	}

	scenarios["suite skips"] = func() {
		SynchronizedBeforeSuite(func() {}, func() { say("ran BeforeSuite") }, ginkgolock.Needs(chamber, rtest.Wait(0), rtest.OnBusy(rtest.Skip)))
		It("spec", func() { say("ran spec") })
	}

	mistakes()
}

// mistakes end the construction of the suite.
func mistakes() {
	for name, build := range map[string]func(){
		"unknown pool":      func() { It("x", Label("lock:k65f"), func() {}) },           // MARK unknown pool
		"unknown lock":      func() { It("x", ginkgolock.Lock("k65f*2"), func() {}) },    // MARK unknown lock
		"zero":              func() { It("x", Label("lock:k64f*0"), func() {}) },         // MARK zero
		"no number":         func() { It("x", Label("lock:k64f*two"), func() {}) },       // MARK no number
		"bad mode":          func() { It("x", Label("lock:k64f:exclusive"), func() {}) }, // MARK bad mode
		"empty":             func() { It("x", Label("lock:*2"), func() {}) },             // MARK empty
		"too many":          func() { It("x", Label("lock:k64f*4"), func() {}) },         // MARK too many
		"too many in all":   func() { Context("y", ginkgolock.Lock("k64f*2"), tooMany) },
		"need zero":         func() { It("x", ginkgolock.Needs(boards.Need(0)), func() {}) },                // MARK need zero
		"bad option":        func() { It("x", ginkgolock.Needs(boards, rtest.Wait(-1)), func() {}) },        // MARK bad option
		"nil":               func() { It("x", ginkgolock.Needs(nil), func() {}) },                           // MARK nil
		"container":         func() { Context("y", Label("lock:k65f"), func() { It("x", func() {}) }) },     // MARK container
		"entry":             func() { DescribeTable("y", func(int) {}, Entry("x", Label("lock:k65f"), 1)) }, // MARK entry
		"on a setup node":   func() { BeforeEach(ginkgolock.Needs(boards), func() {}) },                     // MARK on a setup node
		"nothing":           func() { It("x", ginkgolock.Needs(), func() {}) },                              // MARK nothing
		"no locks":          func() { It("x", ginkgolock.Lock([]string{}...), func() {}) },                  // MARK no locks
		"only options":      func() { It("x", ginkgolock.Needs(rtest.Wait(1)), func() {}) },                 // MARK only options
		"around nothing":    func() { Context("y", ginkgolock.Needs(), func() { It("x", func() {}) }) },     // MARK around nothing
		"in an ordered one": func() { Context("y", Ordered, func() { odd() }) },                             // MARK in an ordered one
		"several": func() {
			It("x", Label("lock:k64f*0", "lock:k65f"), func() {}) // MARK several
			Context("y", ginkgolock.Lock("k66f"), func() {        // MARK several
				It("z", ginkgolock.Needs(boards.Need(0)), func() {}) // MARK several
				It("right", ginkgolock.Needs(boards), func() {})
			})
		},
	} {
		scenarios["mistake "+name] = func() { Describe("mistakes", build) }
	}
	scenarios["mistake outermost"] = func() { Describe("z", Label("lock:k65f"), func() {}) }                   // MARK outermost
	scenarios["mistake outside"] = func() { It("outside", Label("lock:k65f"), func() { say("ran outside") }) } // MARK outside
	scenarios["mistake nothing outside"] = func() { It("nothing", ginkgolock.Needs(), func() {}) }             // MARK nothing outside
}

func tooMany() {
	It("x", Label("lock:k64f*2", "other"), func() {}) // MARK too many in all
}

// odd needs six of five, one spec after the other.
func odd() {
	all := []string{"a", "b", "c", "d", "e"}
	It("x", ginkgolock.Needs(rtest.R(all...).Need(3).Named("left")), func() {})
	It("y", ginkgolock.Needs(rtest.R(all...).Need(3).Named("right")), func() {})
}

// Declared before the pool is registered, as package variables are initialised
// in the order of files.
var _ = lateDescribe()

func lateDescribe() bool {
	if os.Getenv("SCENARIO") != "late" {
		return false
	}
	scenarios["late"] = func() { ginkgolock.Pool("late", rtest.R("late-1")) }
	It("alone", Label("lock:late"), func(ctx SpecContext) { hold(ctx) })
	return Describe("late", Label("lock:late"), func() {
		It("inside", func(ctx SpecContext) { hold(ctx) })
	})
}
