package sched

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// BenchmarkStep measures a release and the request that follows it, so two
// scheduling steps, on 100 boards with 100 holders and 1,000 waiters: of one
// kind, of 20 kinds (each another need or name), and all of one kind behind one
// that wants half of the boards, where those behind may be let past it.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name   string
		kinds  int
		expect time.Duration // of the waiters; the holders take an hour
		policy lockcore.QueuePolicy
	}{
		{"one-kind", 1, 2 * time.Hour, lockcore.Backfill},
		{"one-kind-fifo", 1, 2 * time.Hour, lockcore.FIFO},
		{"20-kinds", 20, 2 * time.Hour, lockcore.Backfill},
		{"20-kinds-fifo", 20, 2 * time.Hour, lockcore.FIFO},
		{"20-kinds-let-past", 20, time.Minute, lockcore.Backfill},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &State{Policy: c.policy, WaitersStay: true}
			rnd := rand.New(rand.NewPCG(1, 2)).IntN
			var boards []lockcore.Candidate
			for i := range 100 {
				boards = append(boards, lockcore.Candidate{Key: fmt.Sprintf("board-%02d", i)})
			}
			now := int64(time.Hour)
			ask := func(id string, need, kind int, expect time.Duration) {
				t := &lockcore.Ticket{ID: id, TTL: 1e6 * time.Hour, Wait: true, Expect: expect}
				t.Requirements = []lockcore.Requirement{{Name: fmt.Sprint("kind ", kind), Candidates: boards, Need: need}}
				t.Owner.Test = fmt.Sprint("Test", kind)
				s.Ask(now, t, "", rnd)
			}
			for i := range 100 {
				ask(fmt.Sprint("holder-", i), 1, 0, time.Hour+time.Duration(i)*time.Minute)
			}
			ask("big", 50, 0, 0)
			for i := range 1000 {
				ask(fmt.Sprint("waiter-", i), 1+i%2, i%c.kinds, c.expect)
			}
			n, held := 0, make([]string, 0, 100)
			for _, l := range s.sortedLeases() {
				held = append(held, l.id)
			}
			for b.Loop() {
				now += int64(time.Millisecond)
				id := held[n%len(held)]
				expect := s.leases[id].expect
				s.Release(now, id, 0, lockcore.Released, rnd)
				if got := s.TakeGranted(); len(got) > 0 {
					held[n%len(held)] = got[0].ID
				} else {
					// Nobody fits: as if somebody more important came for it, so that there are
					// always 100 holders.
					t := &lockcore.Ticket{ID: fmt.Sprint("again-", n), TTL: 1e6 * time.Hour, Wait: true, Expect: expect, Priority: 1000, Requirements: []lockcore.Requirement{{Candidates: boards}}}
					s.Ask(now, t, "", rnd)
					held[n%len(held)] = t.ID
				}
				for len(s.queue) < 1001 {
					ask(fmt.Sprint("new-", n), 1, n%c.kinds, c.expect)
				}
				n++
			}
		})
	}
}

// BenchmarkStepLettingManyPast measures a release of 50 of 100 boards for which one
// waits who wants 80, with 1,000 short waiters of 20 kinds behind it: most of the 50
// go to some of these. Under fifo the one that waits reserves them all.
func BenchmarkStepLettingManyPast(b *testing.B) {
	for _, policy := range []lockcore.QueuePolicy{lockcore.FIFO, lockcore.Backfill} {
		b.Run(policy.String(), func(b *testing.B) {
			scene := &State{Policy: policy, WaitersStay: true}
			rnd := rand.New(rand.NewPCG(1, 2)).IntN
			var boards []lockcore.Candidate
			for i := range 100 {
				boards = append(boards, lockcore.Candidate{Key: fmt.Sprintf("board-%02d", i)})
			}
			now := int64(time.Hour)
			ask := func(id string, need, kind int, expect time.Duration) {
				scene.Ask(now, &lockcore.Ticket{ID: id, TTL: 1e6 * time.Hour, Wait: true, Expect: expect,
					Requirements: []lockcore.Requirement{{Name: fmt.Sprint("kind ", kind), Candidates: boards, Need: need}}}, "", rnd)
				now += int64(time.Millisecond)
			}
			ask("wide", 50, 0, time.Hour)
			for i := range 50 {
				ask(fmt.Sprint("holder-", i), 1, 0, time.Hour+time.Duration(i)*time.Minute)
			}
			ask("big", 80, 0, 0)
			for i := range 1000 {
				ask(fmt.Sprint("waiter-", i), 1, i%20, time.Duration(30+i%40)*time.Second)
			}
			data, past := scene.Append(nil), 0
			for b.Loop() {
				b.StopTimer()
				s, err := Decode(data)
				if err != nil {
					b.Fatal(err)
				}
				s.WaitersStay = true
				b.StartTimer()
				s.Release(now, "wide", 0, lockcore.Released, rnd)
				past = len(s.TakeGranted())
			}
			b.ReportMetric(float64(past), "let-past/op")
		})
	}
}
