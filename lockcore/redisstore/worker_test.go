package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

// historyRole takes random leases until it is told to stop, and writes them down in a
// file of its own.
func historyRole() error {
	j, l, err := theJob()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(j.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(j.Seed, uint64(j.N)))
	w := &campaign.Worker{
		Name: filepath.Base(j.Log), Locker: l, Rand: rnd, TTL: j.TTL, Nested: true, Excused: excused, Busy: 20 * time.Millisecond, Out: log,
		Draw: func() lockcore.Request {
			req := lockcore.Request{TTL: j.TTL, Priority: rnd.IntN(3) - 1, Expect: time.Duration(rnd.IntN(3)) * time.Millisecond}
			req.Requirements = campaign.Draw(rnd, j.Keys)
			req.Reason = units(req.Requirements) // for those who look at a snapshot
			return req
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		if word, _ := bufio.NewReader(os.Stdin).ReadString('\n'); word == "" {
			os.Exit(1) // an orphan
		}
		stop()
	}()
	fmt.Println("ready")
	for said := 0; ctx.Err() == nil; {
		w.Turn(ctx)
		if w.Uses()-said >= reportEvery {
			fmt.Println("uses", w.Uses()-said)
			said = w.Uses()
		}
	}
	if err := l.Close(); err != nil && !excused(err) {
		return err
	}
	fmt.Println("done")
	return nil
}

// reportEvery is after how many uses a worker says so.
const reportEvery = 10

// units lists how many keys each requirement wants.
func units(reqs []lockcore.Requirement) string {
	var s []string
	for _, r := range reqs {
		s = append(s, strconv.Itoa(r.Units()))
	}
	return strings.Join(s, " ")
}

// excused reports whether an error is what such days bring: somebody else has
// it, what was drawn contradicts itself, or the server is away or about to be
// back.
func excused(err error) bool {
	var network net.Error
	for _, e := range []error{lockcore.ErrBusy, lockcore.ErrUnsatisfiable, lockcore.ErrDeadlock, lockcore.ErrLost, context.Canceled, context.DeadlineExceeded, io.EOF, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, redis.ErrPoolTimeout} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &network) || redis.HasErrorPrefix(err, "LOADING")
}
