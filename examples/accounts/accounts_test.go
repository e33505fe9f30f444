// Package accounts shares what is not hardware: cloud accounts that an inventory
// file lists, the seats of a licence, and a staging environment.
package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/examples/internal/overlap"
	"github.com/resourcelocker/resourcelocker/rtest"
)

type account struct {
	ID     string `json:"id"`
	Region string `json:"region"`
}

// accounts are read anew for every test, and again while one waits: who adds an
// account to the file helps those that wait already.
var accounts = rtest.Discover(func(context.Context) ([]account, error) {
	b, err := os.ReadFile("accounts.json")
	if err != nil {
		return nil, err
	}
	var list []account
	return list, json.Unmarshal(b, &list)
}).Key(func(a account) string { return a.ID }).Tags(func(a account) map[string]string {
	return map[string]string{"kind": "account", "region": a.Region}
}).Named("accounts")

var (
	simulator = rtest.R("simulator").Seats(3) // a licence for three at a time
	staging   = rtest.R("staging")
)

func TestQuota(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint("case ", i), func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, accounts)
			overlap.Use(t, accounts.One(l).ID)
			work(t, l)
		})
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	// Two accounts of different regions, both or none.
	eu := accounts.Where(func(a account) bool { return a.Region == "eu" }).Named("eu")
	us := accounts.Where(func(a account) bool { return a.Region == "us" }).Named("us")
	l := rtest.Acquire(t, eu, us)
	a, b := eu.One(l), us.One(l)
	overlap.Use(t, a.ID, b.ID)
	if a.Region != "eu" || b.Region != "us" {
		t.Errorf("got accounts of %s and %s", a.Region, b.Region)
	}
	work(t, l)
}

func TestSimulation(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint("model ", i), func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, simulator)
			overlap.Sit(t, simulator.One(l), 3)
			work(t, l)
		})
	}
}

func TestStaging(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint("read ", i), func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, staging.Shared())
			overlap.Read(t, staging.One(l))
			work(t, l)
		})
	}
	t.Run("deploy", func(t *testing.T) {
		t.Parallel()
		l := rtest.Acquire(t, staging, rtest.Priority(1), rtest.Reason("deploying"))
		overlap.Use(t, staging.One(l))
		work(t, l)
	})
}

func work(t *testing.T, l *rtest.Lease) {
	t.Helper()
	select {
	case <-time.After(15 * time.Millisecond):
	case <-l.Context().Done():
		t.Error(context.Cause(l.Context()))
	}
}
