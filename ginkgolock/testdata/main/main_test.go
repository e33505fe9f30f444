// Package main_test has a suite whose lease rtest.Main takes.
package main_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestMain(m *testing.M) {
	os.Exit(rtest.Main(m, rtest.R("chamber"), rtest.TTL(2*time.Second)))
}

func TestSuite(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "main")
}

var _ = Describe("a suite inside of rtest.Main", func() {
	It("needs the chamber until it has cleaned up", func(ctx SpecContext) {
		DeferCleanup(func() {
			say("cleaning up")
			for {
				if _, err := os.Stat(filepath.Join(os.Getenv("WORK"), "clean")); err == nil {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			say("cleaned up")
		})
		say("holding")
		<-ctx.Done()
	})
})

func say(line string) {
	f, err := os.OpenFile(filepath.Join(os.Getenv("WORK"), "said"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	Expect(err).NotTo(HaveOccurred())
}
