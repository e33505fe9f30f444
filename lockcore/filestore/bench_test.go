package filestore

import (
	"context"
	"fmt"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func pool(prefix string, n, need int) lockcore.Requirement {
	r := lockcore.Requirement{Name: prefix, Need: need}
	for i := range n {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprintf("%s-%d", prefix, i)})
	}
	return r
}

func BenchmarkPair(b *testing.B) {
	s, err := Open(context.Background(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	l := lockcore.New(s, nil)
	defer l.Close()
	req := lockcore.Request{Requirements: []lockcore.Requirement{pool("board", 5, 2), pool("chamber", 1, 1)}}
	for b.Loop() {
		le, err := l.Acquire(context.Background(), req)
		if err != nil {
			b.Fatal(err)
		}
		if err := le.Release(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBare(b *testing.B) {
	path := b.TempDir() + "/lock"
	for b.Loop() {
		f, err := openFile(path, forCreation, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		f.tryLock(true)
		f.unlock()
		f.close()
	}
}

func BenchmarkStep(b *testing.B) {
	s, err := Open(context.Background(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	reqs := []lockcore.Requirement{pool("board", 5, 2), pool("chamber", 1, 1)}
	for b.Loop() {
		t := &lockcore.Ticket{ID: "x", Requirements: reqs, TTL: 30e9}
		a, err := s.Ask(context.Background(), t, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Release(context.Background(), a.Grant, 0); err != nil {
			b.Fatal(err)
		}
	}
}
