// Package ginkgo_test is a suite whose specs share the boards of the lab with
// each other, in as many processes as there are,
//
//	go tool ginkgo --procs=3 ./examples/ginkgo
//
// and with everything else on this machine that asks for them. There is no
// set-up: no server, no configuration, no Serial.
package ginkgo_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/examples/boards/lab"
	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestLab(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "the lab")
}

// What labels can ask for.
var (
	boards  = ginkgolock.Pool("board", lab.Boards)
	staging = ginkgolock.Pool("staging", rtest.R("https://staging.example"))
)

// The gateway is of one suite at a time; all its processes use it.
var gateway = rtest.R("gateway")

var _ = SynchronizedBeforeSuite(func() []byte {
	// This runs on process 1 only, with the gateway already taken.
	return []byte(gateway.One(nil))
}, func(name []byte) {
	Expect(gateway.One(nil)).To(Equal(string(name)))
}, ginkgolock.Needs(gateway, rtest.Reason("suite of the lab")))
