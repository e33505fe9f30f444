package suite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func init() {
	// One of three boards is wedged, and forty specs want any of them.
	scenarios["wedged"] = func() {
		var mu sync.Mutex
		ready := make(map[string]bool)
		pool := rtest.R("w1", "w2", "w3").InOrder().Named("boards").Prepare(func(_ context.Context, key string, last rtest.Ending) error {
			say("prepare %s after %s", key, last)
			if key == "w1" {
				return errors.New("wedged")
			}
			mu.Lock()
			defer mu.Unlock()
			ready[key] = true
			return nil
		})
		Describe("wedged", func() {
			BeforeEach(func(ctx SpecContext) {
				mu.Lock()
				defer mu.Unlock()
				key := pool.One(ginkgolock.Lease(ctx))
				Expect(ready[key]).To(BeTrue(), "%s was not prepared before the first BeforeEach", key)
				delete(ready, key)
			})
			for i := range 40 {
				It(fmt.Sprint("spec ", i), ginkgolock.Needs(pool), hold)
			}
		})
	}

	// Prepare and Restore take longer than the spec may last.
	scenarios["slow care"] = func() {
		pool := rtest.R("s1").Prepare(func(context.Context, string, rtest.Ending) error {
			time.Sleep(300 * time.Millisecond)
			return nil
		}).Restore(func(context.Context, string) error {
			time.Sleep(300 * time.Millisecond)
			say("restored")
			return nil
		})
		Describe("slow", func() {
			It("care", ginkgolock.Needs(pool), SpecTimeout(200*time.Millisecond), hold)
		})
	}

	// What the spec before has made of the board.
	scenarios["last endings"] = func() {
		pool := rtest.R("e1").Prepare(func(_ context.Context, key string, last rtest.Ending) error {
			say("prepare after %s", last)
			return nil
		})
		Describe("last endings", func() {
			It("passes", ginkgolock.Needs(pool), hold)
			It("fails", ginkgolock.Needs(pool), func(SpecContext) { Fail("as it should") })
			It("is last", ginkgolock.Needs(pool), hold)
		})
	}

	// No board can be prepared; the first spec fails, the second one is skipped.
	scenarios["all wedged"] = func() {
		pool := rtest.R("a1", "a2").Named("boards").Prepare(func(_ context.Context, key string, _ rtest.Ending) error {
			say("prepare %s", key)
			return fmt.Errorf("%s is dead", key)
		})
		Describe("all wedged", func() {
			BeforeEach(func(SpecContext) { say("BeforeEach ran") })
			It("fails", ginkgolock.Needs(pool), hold)
			It("is skipped", ginkgolock.Needs(pool, rtest.OnBusy(rtest.Skip)), hold)
		})
	}
}
