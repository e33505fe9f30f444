package rtest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// An Arg is what [Acquire] takes: a [Requirement] or an [Option].
type Arg interface {
	join(*arguments) error
}

// arguments are what the Args of one call come to.
type arguments struct {
	cfg    config
	wishes []wish
}

// isNil is also true for a nil pointer to a Requirement or an Option: pointers
// have the methods of what they point to, so the compiler takes them for an Arg.
func isNil(a Arg) bool { return absent(a) }

// absent reports whether there is nothing behind the value that could be used.
func absent(x any) bool {
	v := reflect.ValueOf(x)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan:
		return v.IsNil()
	}
	return false
}

// A Policy says what becomes of a test that cannot have its resources.
type Policy int

// The policies.
const (
	Fail Policy = iota // the test fails; the default
	Skip               // the test is skipped, with the reason
)

// String is the policy as environment variables spell it.
func (p Policy) String() string {
	switch p {
	case Fail:
		return "fail"
	case Skip:
		return "skip"
	}
	return fmt.Sprintf("Policy(%d)", int(p))
}

// An Option changes one [Acquire]. Where it is absent, an environment variable
// holds, and then the default.
type Option struct {
	set func(*config) error
}

func (o Option) join(a *arguments) error {
	if o.set == nil {
		return errors.New("an Option without content: make one with Wait, OnBusy or their like")
	}
	return o.set(&a.cfg)
}

// Options are functions on config inside, so that a new one touches no other
// place; to the user they are values, and there is nothing to call.

// config is what the options of a call come to.
type config struct {
	wait     time.Duration
	waitSet  bool
	onBusy   Policy
	onError  Policy
	ttl      time.Duration // 0: lockcore's default
	priority int
	expect   time.Duration
	keep     time.Duration

	quarantine    time.Duration
	quarantineSet bool
	waitForOutage bool // RTEST_ON_OUTAGE=wait

	reason string
	locker *lockcore.Locker
}

// Wait sets how long to wait at most; 0 means a single attempt. The default is
// RTEST_WAIT, else until shortly before -timeout would end the test binary, else
// 5 minutes. That moment also ends a longer wait, because after it nobody could
// tell who was in the way.
func Wait(d time.Duration) Option {
	return Option{func(c *config) error {
		if d < 0 {
			return fmt.Errorf("Wait(%s): a wait cannot be negative; 0 means a single attempt", d)
		}
		c.wait, c.waitSet = d, true
		return nil
	}}
}

// OnBusy sets what happens when the wait is over. The default is RTEST_ON_BUSY
// (fail or skip), else [Fail].
func OnBusy(p Policy) Option {
	return Option{func(c *config) error {
		c.onBusy = p
		return knownPolicy("OnBusy", p)
	}}
}

// OnError sets what happens when the store cannot be reached. The default is
// RTEST_ON_ERROR (fail or skip), else [Fail].
//
// When a server cannot be reached, this package's message is all that is printed.
// With RTEST_DEBUG=1 there is a line for each attempt to connect, and for what each
// Sentinel says, too. The logger of go-redis belongs to the whole program, and is left
// alone.
func OnError(p Policy) Option {
	return Option{func(c *config) error {
		c.onError = p
		return knownPolicy("OnError", p)
	}}
}

func knownPolicy(option string, p Policy) error {
	if p != Fail && p != Skip {
		return fmt.Errorf("%s(%d): there is no such policy; choose rtest.Fail or rtest.Skip", option, int(p))
	}
	return nil
}

// TTL sets the life of the lease between renewals, which come at a third of it:
// how long the resources stay taken at most when this machine is cut off. The
// default is RTEST_TTL, else 30 s.
func TTL(d time.Duration) Option {
	return Option{func(c *config) error {
		c.ttl = d
		if d <= 0 {
			return fmt.Errorf("TTL(%s): the life of a lease must be above 0", d)
		}
		return nil
	}}
}

// Priority moves the request forward in line: one level is worth one minute of
// waiting, so low ones do not starve. The default is 0.
func Priority(n int) Option {
	return Option{func(c *config) error { c.priority = n; return nil }}
}

// Expect says how long the resources will be held, in place of
// what the store learned from earlier runs of the test. A request with a short hold
// time may go before one that could not start yet anyway.
func Expect(d time.Duration) Option {
	return Option{func(c *config) error {
		c.expect = d
		if d < 0 {
			return fmt.Errorf("Expect(%s): a time to hold cannot be negative", d)
		}
		return nil
	}}
}

// HoldOnFail keeps the resources taken for another d when the test failed, for
// somebody to look at them; the process need not live on. rtest-report free
// ends it early.
func HoldOnFail(d time.Duration) Option {
	return Option{func(c *config) error {
		c.keep = d
		if d < 0 {
			return fmt.Errorf("HoldOnFail(%s): a time to keep cannot be negative", d)
		}
		return nil
	}}
}

// Reason is shown to those who wait for the resources.
func Reason(s string) Option {
	return Option{func(c *config) error { c.reason = s; return nil }}
}

// Using takes the resources from this locker instead of the one that RTEST_URL
// names.
func Using(l *lockcore.Locker) Option {
	return Option{func(c *config) error {
		c.locker = l
		if l == nil {
			return errors.New("Using(nil): there is no locker")
		}
		return nil
	}}
}
