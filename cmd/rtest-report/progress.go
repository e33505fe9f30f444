package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// progress tells on a terminal how far reading has come, once it takes longer
// than a second, and removes the line at the end. Into a pipe it says nothing.
func progress(w io.Writer, events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return events
	}
	return tellProgress(w, events, time.Now)
}

// tellProgress looks at the clock every few thousand events only: that is what
// keeps it free of charge.
func tellProgress(w io.Writer, events iter.Seq2[eventlog.Event, error], now func() time.Time) iter.Seq2[eventlog.Event, error] {
	const often = 4096
	return func(yield func(eventlog.Event, error) bool) {
		last, shown, n := now(), false, 0
		defer func() {
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}()
		for e, err := range events {
			if n++; n%often == 0 {
				if t := now(); t.Sub(last) >= time.Second {
					last, shown = t, true
					fmt.Fprintf(w, "\rread %d events …", n)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
