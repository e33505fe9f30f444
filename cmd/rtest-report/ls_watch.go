package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// watchStore shows the listing again and again: on a terminal in the place of the
// last one, each time it looks, since ages grow; elsewhere when somebody came, went
// or moved.
func watchStore(cmd *cobra.Command, s *storeFlags, keys []string, format string, every time.Duration) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	out := cmd.OutOrStdout()
	f, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd())) && format == "text"
	tick := time.NewTicker(every)
	defer tick.Stop()
	last, trouble := "", ""
	for {
		l, err := lookOnce(ctx, s, store, keys)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && last == "":
			return err // at the start the store is mostly mistyped
		case err != nil && err.Error() != trouble:
			trouble = err.Error() // the server may come back
			fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", err)
		case err != nil:
		default:
			trouble = ""
			now := l.Outline() // never empty: an empty last stands for no look that worked
			if now != last || terminal {
				if err := showListing(out, l, format, terminal); err != nil {
					return err
				}
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func lookOnce(ctx context.Context, s *storeFlags, store lockcore.Store, keys []string) (*listing, error) {
	// A limit for each look: a store that hangs once must not end the watch.
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	v, err := readInventory(ctx)
	if err != nil {
		v = nil // told at the start
	}
	return look(ctx, store, v, keys)
}

// showListing prints a listing in one piece: a terminal that is cleared first and filled
// line by line would flicker.
func showListing(w io.Writer, l *listing, format string, terminal bool) error {
	var b bytes.Buffer
	if format == "json" {
		if err := json.NewEncoder(&b).Encode(l); err != nil {
			return err
		}
	} else {
		if terminal {
			b.WriteString("\x1b[H\x1b[2J") // to the corner, and clear what is there
		}
		if err := listText(&b, l); err != nil {
			return err
		}
		if !terminal {
			b.WriteString("\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
