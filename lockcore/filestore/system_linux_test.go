package filestore

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFlockHolder(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 11 08:01:42 0 EOF
2: FLOCK  ADVISORY  READ 12 08:01:42 0 EOF
3: FLOCK  ADVISORY  WRITE 13 08:01:43 0 EOF
4: FLOCK  ADVISORY  WRITE 14 08:01:42 0 EOF
4: -> FLOCK  ADVISORY  WRITE 15 08:01:42 0 EOF
short
`
	if got := flockHolder(locks, "08:01:42"); got != "process 14" {
		t.Errorf("got %s, want process 14", got)
	}
	if got := flockHolder(locks, "08:01:44"); got != "another process" {
		t.Errorf("got %s, want another process", got)
	}
}

// The two clocks that the promise of a lease rests on must be one: the store's,
// and the one that package lockcore reads through package time.
func TestTheClockIsThatOfTheRuntime(t *testing.T) {
	if id := bootID(); len(strings.Split(id, "-")) != 5 {
		t.Errorf("the boot is called %q", id)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	if before, now := ts.Nano(), ticks(); now < before {
		t.Errorf("ticks are %d, and were %d before", now, before)
	}
}

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	if name := networkFS(t.TempDir()); name != "" {
		t.Errorf("the directory for temporary files is taken for %s", name)
	}
	for magic, want := range map[uint32]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0xc36400: "Ceph", 0xef53: "", 0x01021994: "", 0x9123683e: "", 0x01021997: ""} {
		if got := remoteMagic[magic]; got != want {
			t.Errorf("file system %#x is %q, want %q", magic, got, want)
		}
	}
}

func TestLocksAreNotInherited(t *testing.T) {
	s := open(t, t.TempDir())
	flags, err := unix.FcntlInt(uintptr(s.alive.fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the lock of this process would be inherited by its children: flags %#x, %v", flags, err)
	}
}
