package rtest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// The environment. RTEST_RUN and RTEST_JOB_URL are read by package eventlog.
const (
	envURL       = "RTEST_URL"
	envNamespace = "RTEST_NAMESPACE"
	envEvents    = "RTEST_EVENTS"
	envReport    = "RTEST_REPORT"
	envWait      = "RTEST_WAIT"
	envTTL       = "RTEST_TTL"
	envOnBusy    = "RTEST_ON_BUSY"
	envOnError   = "RTEST_ON_ERROR"
	envOnOutage  = "RTEST_ON_OUTAGE"
	envAttrs     = "RTEST_ATTRS"
	envSignals   = "RTEST_SIGNALS"
)

const (
	defaultURL       = "file:"
	defaultNamespace = "default"
)

// attrLevel is RTEST_ATTRS.
type attrLevel int

const (
	attrsOff attrLevel = iota
	attrsMin           // the totals
	attrsAll           // and what was asked for, and the fencing tokens
)

// settings are what the environment says, and the options do not change.
type settings struct {
	url, namespace string
	events, report string
	attrs          attrLevel
	signals        bool
}

// readEnv gives the defaults of the options, and the settings. It reads the
// environment at every call, so that t.Setenv works.
func readEnv() (c config, s settings, err error) {
	if err := environ.Check(); err != nil {
		return c, s, err
	}
	getenv := environ.Getenv
	s = settings{url: getenv(envURL), namespace: getenv(envNamespace), events: getenv(envEvents), report: getenv(envReport), attrs: attrsMin, signals: true}
	if s.url == "" {
		s.url = defaultURL
	}
	if s.namespace == "" {
		s.namespace = defaultNamespace
	}
	// The first mistake wins; the readers below then do nothing, so that the rest
	// reads like the table that it is.
	duration := func(name string, least time.Duration) (d time.Duration, set bool) {
		v := getenv(name)
		if v == "" || err != nil {
			return 0, false
		}
		d, e := time.ParseDuration(v)
		if e != nil || d < least {
			err = badEnv(name, v, "a duration such as 90s, 5m or 1h30m")
		}
		return d, true
	}
	choice := func(name string, words ...string) int {
		v := getenv(name)
		if v == "" || err != nil {
			return -1
		}
		for i, w := range words {
			if strings.EqualFold(strings.TrimSpace(v), w) {
				return i
			}
		}
		err = badEnv(name, v, strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
		return -1
	}
	c.wait, c.waitSet = duration(envWait, 0)
	c.ttl, _ = duration(envTTL, 1)
	c.onBusy = Policy(max(0, choice(envOnBusy, Fail.String(), Skip.String())))
	c.onError = Policy(max(0, choice(envOnError, Fail.String(), Skip.String())))
	c.waitForOutage = choice(envOnOutage, "end", "wait") == 1
	if i := choice(envAttrs, "off", "min", "all"); i >= 0 {
		s.attrs = attrLevel(i)
	}
	s.signals = choice(envSignals, "on", "off") != 1
	if e := absolute(s.events); e != nil && err == nil {
		err = fmt.Errorf("the environment variable %s %w, as in %s=\"$PWD/events\"", envEvents, e, envEvents)
	}
	return c, s, err
}

// absolute refuses a directory for events that would be another one in each
// package.
func absolute(events string) error {
	if events == "" || strings.Contains(events, "://") {
		return nil
	}
	return environ.Absolute(events)
}

// unknownOnce is for a warning that is the same for all tests of a process.
var unknownOnce sync.Once

// unknownVariables returns what is to be said of variables that are spelled wrong,
// at its first call.
func unknownVariables() (warnings []string) {
	unknownOnce.Do(func() { warnings = environ.Unknown() })
	return warnings
}

// badEnv names the variable, since a user who did not set it himself, but the CI
// system did, has no other trace.
func badEnv(name, value, want string) error {
	return fmt.Errorf("the environment variable %s is %q; want %s, or leave it unset", name, value, want)
}
