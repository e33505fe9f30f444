package suite

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// verdicts end in every way, with a lease by label and with one that is acquired.
func verdicts() {
	Describe("verdicts", func() {
		tries := 0
		for _, how := range []string{"needs", "acquires"} {
			var args []any
			take := func() {
				if how == "acquires" {
					rtest.Acquire(GinkgoT(), rtest.R("board-1", "board-2"))
				}
			}
			if how == "needs" {
				args = ginkgolock.Needs(boards)
			}
			It(how+" and passes", append(args, func() { take() })...)
			It(how+" and fails", append(args, func() { take(); Expect(1).To(Equal(2)) })...)
			It(how+" and panics", append(args, func() { take(); panic("on purpose") })...)
			It(how+" and skips", append(args, func() { take(); Skip("not today") })...)
			tries = 0
			It(how+" and is flaky", append(args, FlakeAttempts(2), func() {
				take()
				if tries++; tries%2 == 1 {
					Fail("the first time")
				}
			})...)
		}
	})
}

func init() { scenarios["verdicts"] = verdicts }
