package main

import (
	"iter"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// ahead reads events in a goroutine of its own, a few hundred ahead of their
// use: reading lines and folding them take about as long, and so a summary takes
// half the time.
func ahead(events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	type item struct {
		e   eventlog.Event
		err error
	}
	const size, batches = 128, 4
	return func(yield func(eventlog.Event, error) bool) {
		full := make(chan []item, batches)
		empty := make(chan []item, batches)
		stop := make(chan struct{})
		for range batches {
			empty <- make([]item, 0, size)
		}
		go func() {
			defer close(full)
			batch := <-empty
			for e, err := range events {
				batch = append(batch, item{e, err})
				if len(batch) < size {
					continue
				}
				full <- batch // has room for all there are
				select {
				case batch = <-empty:
				case <-stop:
					return
				}
			}
			full <- batch
		}()
		defer func() {
			close(stop)
			for range full { // the reader's counters are the caller's again once it has ended
			}
		}()
		for batch := range full {
			for i := range batch {
				// The event is copied for whoever gets it: the batch is written over once it is empty.
				if !yield(batch[i].e, batch[i].err) {
					return
				}
			}
			empty <- batch[:0]
		}
	}
}
