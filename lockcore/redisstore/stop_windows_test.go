package redisstore_test

import (
	"testing"
	"time"
)

// Tests that stop a process need a redis-server first, which Windows has not.

func stop(t testing.TB, _ *child) { t.Helper(); t.Fatal("Windows cannot stop a process") }

func cont(t testing.TB, _ *child) { t.Helper(); t.Fatal("Windows cannot stop a process") }

func machineTime() int64 { return time.Now().UnixNano() }
