package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// holderTTL is long enough that a busy machine does not lose the lease, and short
// enough that a holder learns within seconds that it was taken away.
const holderTTL = 15 * time.Second

// holder takes locks in the store of RTEST_URL as test os.Args[1] and keeps them
// until it loses them, of which it tells, or its minute is over. It makes the
// file os.Args[2] when it has them, or, if that begins with a +, when it waits.
func holder() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	store, err := storeurl.Open(ctx, os.Getenv("RTEST_URL"))
	fail(err)
	locker := lockcore.New(store, nil)
	file, waits := os.Args[2], os.Args[2][0] == '+'
	tell := func() { fail(os.WriteFile(file, nil, 0o600)) }
	req := lockcore.Request{Owner: lockcore.Owner{Test: os.Args[1], Package: "example.com/lab"}, TTL: holderTTL, Reason: "because"}
	if waits {
		file = file[1:]
		req.OnWait = func(*lockcore.BusyError) { tell() }
	}
	for _, k := range os.Args[3:] {
		req.Requirements = append(req.Requirements, lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: k}}})
	}
	l, err := locker.Acquire(ctx, req)
	fail(err)
	fmt.Println("got", l.Keys())
	if !waits {
		tell()
		<-l.Context().Done()
		fmt.Println("over:", context.Cause(l.Context()))
	}
	l.Release(context.Background())
	fail(locker.Close())
}
