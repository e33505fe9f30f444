// Package latedial makes a dialer that never fails: what it could not reach is a
// connection whose first use fails with the error of the dialling.
//
// It is for go-redis, whose pool writes a line to standard error for each failed
// attempt ("failed to dial after 1 attempts: ..."), twenty in two seconds where a
// server is down, and has one logger for the whole program. The code under test may
// use that logger, so it is left alone; the pools of this module have nothing to
// write instead:
//
//	the pool dials        a connection
//	the client says hello the error of the dialling, which the caller gets as before
//
// With RTEST_DEBUG=1 the dialer is as it was, and the lines are there.
package latedial

import (
	"context"
	"net"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// A Func dials, as [net.Dialer.DialContext] does.
type Func = func(ctx context.Context, network, addr string) (net.Conn, error)

// Wrap returns a dialer that hands the errors of dial to whoever uses the
// connection, or dial itself if RTEST_DEBUG is 1.
func Wrap(dial Func) Func {
	if environ.Getenv("RTEST_DEBUG") == "1" {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return unreachable{failed{err}, address{network, addr}}, nil
		}
		return c, nil
	}
}

// failed is the error once more: go-redis takes one layer off what goes wrong before
// the first command, and then it would not recognise a failure to dial, after which
// it may safely try again.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// unreachable is a connection to somebody who was not reached.
type unreachable struct {
	err error
	to  address
}

func (c unreachable) Read([]byte) (int, error)       { return 0, c.err }
func (c unreachable) Write([]byte) (int, error)      { return 0, c.err }
func (unreachable) Close() error                     { return nil }
func (c unreachable) LocalAddr() net.Addr            { return address{c.to.network, ""} }
func (c unreachable) RemoteAddr() net.Addr           { return c.to }
func (unreachable) SetDeadline(time.Time) error      { return nil }
func (unreachable) SetReadDeadline(time.Time) error  { return nil }
func (unreachable) SetWriteDeadline(time.Time) error { return nil }

// address is what was dialled.
type address struct{ network, addr string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.addr }
