package suite

import (
	"context"
	"errors"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func init() {
	// The test holds the chamber for longer than the spec may last.
	scenarios["patient"] = func() {
		Describe("patient", func() {
			It("spec", ginkgolock.Needs(chamber), SpecTimeout(200*time.Millisecond), func(ctx SpecContext) { say("ran patient") })
		})
	}

	scenarios["steady"] = func() {
		Describe("steady", func() {
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) { hold(ctx) })
		})
	}

	// One spec fails, another one waits for what nobody gives back.
	scenarios["failfast"] = func() {
		Describe("waits", func() {
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) { say("ran waits") })
		})
		Describe("fails", func() {
			It("spec", func(ctx SpecContext) { await(ctx, "fail-now"); Fail("as it should") })
		})
	}

	// Two want the same, and whoever has it keeps it until it is told.
	scenarios["held"] = func() {
		Describe("held", func() {
			for _, name := range []string{"spec", "rival"} {
				It(name, ginkgolock.Needs(chamber), func(ctx SpecContext) {
					DeferCleanup(func() { say("cleaned up") })
					defer use(ginkgolock.Lease(ctx).Keys())()
					say("holding %d", os.Getpid())
					await(ctx, "go-on")
					say("finished")
				})
			}
		})
	}
}

// endWithTheLease returns when the lease is lost and the node's context has ended
// for it. The limit is for a context that never does.
func endWithTheLease(ctx SpecContext) {
	<-ginkgolock.Lease(ctx).Context().Done()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		Fail("the lease is lost, but the context of the node goes on")
	}
}

func init() {
	scenarios["lost"] = func() {
		Describe("lost", func() {
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) {
				DeferCleanup(func() { say("cleaned up") })
				say("holding")
				endWithTheLease(ctx)
				say("cause is ErrLost: %v", errors.Is(context.Cause(ctx), lockcore.ErrLost))
				Expect(ctx.Err()).NotTo(HaveOccurred(), "the wrong words") // what a client would say
			})
			It("deaf", ginkgolock.Needs(boards.Need(3)), func(ctx SpecContext) {
				say("deaf")
				endWithTheLease(ctx)
				Fail("the wrong words")
			})
		})
		// It is lost between two specs: by the time that the second begins.
		Describe("container", Ordered, ContinueOnFailure, ginkgolock.Needs(staging), func() {
			It("first", func(ctx SpecContext) {})
			ReportAfterEach(func(r SpecReport) {
				if r.LeafNodeText != "first" {
					return
				}
				if ginkgoLease == nil {
					Fail("BeforeEach had no lease")
				}
				say("between")
				<-ginkgoLease.Context().Done()
			})
			BeforeEach(func(ctx SpecContext) { ginkgoLease = ginkgolock.Lease(ctx) })
			It("second", func(ctx SpecContext) { say("ran second") })
		})
		Describe("bystander", func() {
			It("passes", func() { say("ran bystander") })
		})
	}
}

func init() {
	scenarios["busy"] = func() {
		BeforeEach(func() { say("before %s", CurrentSpecReport().LeafNodeText) })
		AfterEach(func(ctx SpecContext) { ginkgolock.Lease(ctx) })
		Describe("busy", func() {
			It("skips", ginkgolock.Needs(chamber, rtest.Wait(0), rtest.OnBusy(rtest.Skip)), func(ctx SpecContext) { say("ran skips") })
			It("fails", ginkgolock.Needs(chamber, rtest.Wait(0)), func(ctx SpecContext) { say("ran fails") }) // MARK busy
		})
		Describe("container", Ordered, ginkgolock.Needs(chamber, rtest.Wait(0), rtest.OnBusy(rtest.Skip)), func() {
			BeforeAll(func() { say("ran BeforeAll") })
			It("c1", func(ctx SpecContext) { say("ran c1") })
			It("c2", func(ctx SpecContext) { say("ran c2") })
		})
	}

	scenarios["kept"] = func() {
		keep := func(key string) []any {
			return ginkgolock.Needs(rtest.R(key), rtest.HoldOnFail(time.Hour))
		}
		Describe("kept", func() {
			It("fails", keep("spec-fails"), func() { Fail("as it should") })
			It("passes", keep("spec-passes"), func() {})
		})
		Describe("container that fails", Ordered, ContinueOnFailure, keep("container-fails"), func() {
			It("fails", func() { Fail("as it should") })
			It("passes", func() {})
		})
		Describe("container that passes", Ordered, keep("container-passes"), func() {
			It("passes", func() {})
			It("passes too", func() {})
		})
	}
}

func init() {
	// A container that ends early must give back in time: the next spec of this
	// process needs the same.
	scenarios["endings"] = func() {
		Describe("skipped", Ordered, ginkgolock.Needs(chamber), func() {
			BeforeAll(func() { Skip("no") })
			It("s1", func() {})
			It("s2", func() {})
		})
		Describe("failed", Ordered, ginkgolock.Needs(chamber), func() {
			It("f1", func() { Fail("as it should") })
			It("f2", func() {})
		})
		Describe("filtered", Ordered, ginkgolock.Needs(chamber), func() {
			It("l1", func(ctx SpecContext) { hold(ctx) })
			It("l2", Label("never"), func() {})
		})
		Describe("retried", Ordered, ginkgolock.Needs(chamber), func() {
			n := 0
			It("r1", FlakeAttempts(2), func(ctx SpecContext) { n++; Expect(n).To(Equal(2)); hold(ctx) })
			It("r2", func(ctx SpecContext) { hold(ctx) })
		})
		Describe("late", func() {
			It("plain", ginkgolock.Needs(chamber), func(ctx SpecContext) { hold(ctx) })
		})
	}
}

func init() {
	// A spec outlives its time and its grace.
	scenarios["leaked"] = func() {
		Describe("leaked", func() {
			It("spec", ginkgolock.Needs(chamber), SpecTimeout(50*time.Millisecond), GracePeriod(10*time.Millisecond), func(ctx SpecContext) {
				for {
					if _, err := os.Stat(work("leak-over")); err == nil {
						return
					}
					time.Sleep(2 * time.Millisecond)
				}
			})
			It("other", func(ctx SpecContext) { say("ran other"); await(ctx, "go-on") })
		})
	}

	// A spec that does not heed its context.
	scenarios["deaf"] = func() {
		Describe("deaf", func() {
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) { say("deaf"); select {} })
		})
	}

	// A spec and its cleanup that end when they are interrupted.
	scenarios["stubborn"] = func() {
		Describe("stubborn", func() {
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) {
				DeferCleanup(func() { say("cleaned up") })
				DeferCleanup(func(ctx SpecContext) { say("cleanup"); <-ctx.Done() })
				say("spec")
				<-ctx.Done()
			})
		})
	}
}

func init() {
	// As above, and a report that ends when it is interrupted too.
	scenarios["stubborn to the last"] = func() {
		Describe("stubborn", func() {
			ReportAfterEach(func(ctx SpecContext, _ SpecReport) { say("report"); <-ctx.Done() })
			It("spec", ginkgolock.Needs(chamber), func(ctx SpecContext) {
				DeferCleanup(func() { say("cleaned up") })
				DeferCleanup(func(ctx SpecContext) { say("cleanup"); <-ctx.Done() })
				say("spec")
				<-ctx.Done()
			})
			It("next", ginkgolock.Needs(chamber), func(ctx SpecContext) { say("next") })
		})
	}
}

func init() {
	scenarios["tb"] = func() {
		Describe("tb", func() {
			It("works", func(ctx SpecContext) {
				Expect(rtest.Get(GinkgoTB(), boards.Need(2))).To(HaveLen(2))
				say("ran works")
			})
			It("timed", SpecTimeout(2*time.Second), func(ctx SpecContext) {
				rtest.Acquire(GinkgoTB(), chamber) // the test holds it
				say("ran timed")
			})
			It("twice", ginkgolock.Needs(staging), func(ctx SpecContext) { rtest.Acquire(GinkgoTB(), staging) })
		})
		Describe("container", Ordered, ginkgolock.Needs(staging), func() {
			It("in container", func(ctx SpecContext) { rtest.Acquire(GinkgoTB(), staging) })
		})
	}
}

func init() {
	for name, acquire := range map[string]func(){
		"GinkgoTB": func() { rtest.Acquire(GinkgoTB(), chamber) },
		"GinkgoT":  func() { rtest.Acquire(GinkgoT(), chamber) },
	} {
		scenarios["late "+name] = func() {
			Describe("late", func() { It("waits", func() { acquire() }) })
		}
	}
	scenarios["late Needs"] = func() {
		Describe("late", func() { It("waits", ginkgolock.Needs(chamber), func() {}) })
	}
}

var ginkgoLease *rtest.Lease
