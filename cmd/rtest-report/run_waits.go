package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// sayWaits tells on standard error, again and again, who waits for what: under go
// test ./... nothing of a package is printed before all of it has passed. stop ends
// that.
func sayWaits(cmd *cobra.Command, rec *recording, every time.Duration) (stop func()) {
	if every <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			targets, err := rec.targets()
			if err != nil || len(targets) == 0 {
				continue // nothing yet; the summary tells of what cannot be read
			}
			// From the beginning each time: who waits now may have asked long ago, and who is in the
			// way may have told before that how long it holds.
			in := input{targets: targets, after: rec.after, run: rec.run}
			events, err := in.open(cmd)
			if err != nil {
				continue
			}
			writeWaits(cmd.ErrOrStderr(), events, time.Now(), every, func() map[string]time.Duration { return startsIn(ctx) })
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// startsIn asks the store, by request, in how long those who wait there are expected to
// be served; a negative time if nobody knows. It is nil where nothing is foretold: the
// command uses a store of which the environment of run says nothing, or one without a
// line, or it does not answer.
func startsIn(ctx context.Context) map[string]time.Duration {
	s := storeFlags{timeout: 5 * time.Second} // the lines come that much later where the store is silent
	var in map[string]time.Duration
	_ = s.with(ctx, io.Discard, func(ctx context.Context, store lockcore.Store) error {
		snap, err := lockcore.New(store, nil).Snapshot(ctx)
		if err != nil {
			return err
		}
		told, foretold := make(map[string]time.Duration, len(snap.Waiters)), false
		for _, w := range snap.Waiters {
			told[w.ID] = -1
			if !w.Start.IsZero() {
				told[w.ID], foretold = max(0, w.Start.Sub(snap.Time)), true
			}
		}
		if foretold {
			in = told
		}
		return nil
	})
	return in
}

// An openRequest is a request without an end, and what was last said of its wait.
type openRequest struct {
	request, queue eventlog.Event
	since          time.Time
	granted        time.Time // zero while it waits
}

// waitsMax bounds the waits that are told at once: the command prints to the same terminal.
const waitsMax = 5

// writeWaits tells who waits for at least a time. What the store says of their starts,
// if anything, comes before what events let guess.
func writeWaits(w io.Writer, events iter.Seq2[eventlog.Event, error], now time.Time, least time.Duration, starts func() map[string]time.Duration) {
	open := map[string]*openRequest{}
	usual := map[eventlog.TestInfo]time.Duration{} // how long a test held last
	for e, err := range events {
		if err != nil {
			return // half of it may be wrong; the summary tells why
		}
		id := e.RequestID()
		r := open[id]
		switch e.Ev {
		case eventlog.Request:
			open[id] = &openRequest{request: e, since: e.TS.Add(-e.WaitedMS.Duration())}
		case eventlog.Queue:
			if r != nil {
				r.queue = e
			}
		case eventlog.Grant:
			if r != nil {
				r.granted = e.TS
			}
		case eventlog.Release: // the only end that tells how long the test needs: others are cut off
			usual[testOf(&e)] = e.HeldMS.Duration()
			delete(open, id)
		case eventlog.Withdraw, eventlog.Lost, eventlog.Expired, eventlog.Reclaim:
			delete(open, id)
		}
	}
	var waits []*openRequest
	for _, r := range open {
		over := !r.request.Deadline.IsZero() && now.After(r.request.Deadline) // its process was killed
		if r.granted.IsZero() && !over && now.Sub(r.since) >= least {
			waits = append(waits, r)
		}
	}
	slices.SortFunc(waits, func(a, b *openRequest) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.request.RequestID(), b.request.RequestID()))
	})
	var said map[string]time.Duration
	if len(waits) > 0 {
		said = starts()
	}
	for i, r := range waits {
		if i == waitsMax {
			fmt.Fprintf(w, "rtest-report: and %d more wait\n", len(waits)-i)
			break
		}
		line := fmt.Sprintf("rtest-report: %s has waited %s for %s", printable(cmp.Or(r.request.Test.Name, r.request.Test.Pkg)), roughly(now.Sub(r.since)), printable(wantedOf(r.request.Reqs)))
		if len(r.queue.Blockers) > 0 {
			line += ": " + inTheWay(&r.queue.Blockers[0])
		}
		// The store sees the whole line, and the events are of this run: of a request that the store
		// knows, its word counts, also if that is that it cannot tell.
		if in, ok := said[r.request.RequestID()]; ok && in >= 0 {
			line += "; expected in about " + roughly(in)
		} else if start, guessed := expectedStart(r, open, usual); guessed && !ok {
			line += "; expected in about " + roughly(start.Sub(now))
		}
		fmt.Fprintln(w, line)
	}
}

func testOf(e *eventlog.Event) eventlog.TestInfo {
	return eventlog.TestInfo{Pkg: e.Test.Pkg, Name: e.Test.Name}
}

// expectedStart is when the first of those in the way of a request gives back what it
// holds, by what it said or by how long its test held the last time. That is known for
// the first in line, who asks for one resource; of others, the store knows.
func expectedStart(r *openRequest, open map[string]*openRequest, usual map[eventlog.TestInfo]time.Duration) (start time.Time, ok bool) {
	if r.queue.QueuePos > 1 || len(r.request.Reqs) != 1 || r.request.Reqs[0].Need > 1 {
		return start, false
	}
	for i := range r.queue.Blockers {
		h := open[r.queue.Blockers[i].Req]
		if h == nil || h.granted.IsZero() {
			continue
		}
		d := cmp.Or(h.request.ExpectMS.Duration(), usual[testOf(&h.request)])
		if end := h.granted.Add(d); d > 0 && (!ok || end.Before(start)) {
			start, ok = end, true
		}
	}
	return start, ok
}

// inTheWay words a blocker.
func inTheWay(b *eventlog.Blocker) string {
	who := printable(cmp.Or(b.User, b.Test, b.Pkg, b.Host, "somebody"))
	switch b.State {
	case "waiting":
		return "behind " + who + " in line"
	case "disabled":
		return printable(b.Key) + " is out of service, disabled by " + who
	case "reserved":
		return printable(b.Key) + " is reserved by " + who
	}
	return printable(b.Key) + " is held by " + who
}

// wantedOf names what is asked for.
func wantedOf(reqs []eventlog.Requirement) string {
	s := ""
	for i := range reqs {
		r := &reqs[i]
		name := r.Name
		if name == "" && len(r.Candidates) > 0 {
			if name = r.Candidates[0]; len(r.Candidates) > 1 {
				name += fmt.Sprintf(" or %d more", len(r.Candidates)-1)
			}
		}
		if r.Need > 1 {
			name = fmt.Sprint(r.Need, " of ", name)
		}
		if i > 0 {
			s += " and "
		}
		s += cmp.Or(name, "a resource")
	}
	return s
}

func roughly(d time.Duration) string { return max(0, d).Round(time.Second).String() }
