package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func newLsCmd() *cobra.Command {
	var s storeFlags
	var format string
	var history bool
	cmd := &cobra.Command{
		Use:   "ls [flags] [KEY...]",
		Short: "Who holds and who waits for what right now, in order",
		Long: `Who holds and who waits for what right now, in order; with --history, how long
each test held what it asked for, the last times: what the store expects of it
when it decides who may go before whom. KEYs then are names of tests, and of
those that have subtests.`,
		Example: `  rtest-report ls
  rtest-report ls board-3 --url redis://lab:6379/0 --format json
  rtest-report ls --history TestBoot`,
		RunE: func(cmd *cobra.Command, keys []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; known are text and json", format)
			}
			return s.with(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, store lockcore.Store) error {
				if history {
					return lsHistory(ctx, cmd.OutOrStdout(), store, keys, format)
				}
				snap, err := store.Snapshot(ctx)
				if err != nil {
					return err
				}
				if len(keys) > 0 {
					snap = only(snap, keys)
				}
				l := newListing(store.String(), snap)
				if format == "json" {
					return indented(cmd.OutOrStdout(), l)
				}
				return l.text(cmd.OutOrStdout())
			})
		},
	}
	s.bind(cmd)
	cmd.Flags().StringVarP(&format, "format", "f", "text", "`text|json`")
	cmd.Flags().BoolVar(&history, "history", false, "how long tests held, the last times")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// only keeps what is about one of the keys.
func only(s lockcore.Snapshot, keys []string) lockcore.Snapshot {
	out := lockcore.Snapshot{Time: s.Time}
	for _, h := range s.Holders {
		if slices.ContainsFunc(h.Keys(), func(k string) bool { return slices.Contains(keys, k) }) {
			out.Holders = append(out.Holders, h)
		}
	}
	for _, w := range s.Waiters {
		if slices.ContainsFunc(w.Requirements, func(r lockcore.Requirement) bool {
			return slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return slices.Contains(keys, c.Key) })
		}) {
			out.Waiters = append(out.Waiters, w)
		}
	}
	return out
}

// A listing is what ls prints as JSON.
type listing struct {
	Store   string    `json:"store"`
	Time    time.Time `json:"time"` // the store's clock
	Holders []holding `json:"holders"`
	Waiters []waiting `json:"waiters"`
}

type holding struct {
	ID      string         `json:"id"`
	Keys    []string       `json:"keys"`
	State   string         `json:"state"`
	Owner   lockcore.Owner `json:"owner"`
	Token   uint64         `json:"token,omitempty"`
	Since   time.Time      `json:"since"`
	For     eventlog.MS    `json:"for_ms"`
	Expires time.Time      `json:"expires,omitzero"`
	EndsIn  eventlog.MS    `json:"expires_in_ms"`
	Reason  string         `json:"reason,omitempty"`
}

type waiting struct {
	Place    int            `json:"place"` // 1 is served first
	ID       string         `json:"id"`
	Wants    []string       `json:"wants"`
	Owner    lockcore.Owner `json:"owner"`
	Priority int            `json:"priority,omitempty"`
	Since    time.Time      `json:"since"`
	For      eventlog.MS    `json:"for_ms"`
	Reserved []string       `json:"reserved,omitempty"` // free keys kept aside for it
	Reason   string         `json:"reason,omitempty"`
}

func newListing(store string, s lockcore.Snapshot) *listing {
	l := &listing{Store: store, Time: s.Time.UTC(), Holders: []holding{}, Waiters: []waiting{}}
	for _, h := range s.Holders {
		v := holding{ID: h.ID, Keys: h.Keys(), State: h.State, Owner: h.Owner, Token: h.Token, Reason: h.Reason, Since: h.Since.UTC()}
		if !h.Since.IsZero() {
			v.For = eventlog.MS(s.Time.Sub(h.Since))
		}
		if !h.Expires.IsZero() {
			v.Expires, v.EndsIn = h.Expires.UTC(), eventlog.MS(h.Expires.Sub(s.Time))
		}
		l.Holders = append(l.Holders, v)
	}
	for i, w := range s.Waiters {
		v := waiting{Place: i + 1, ID: w.ID, Owner: w.Owner, Priority: w.Priority, Since: w.Since.UTC(), For: eventlog.MS(s.Time.Sub(w.Since)), Reserved: w.Reserved, Reason: w.Reason}
		for _, r := range w.Requirements {
			v.Wants = append(v.Wants, r.String())
		}
		l.Waiters = append(l.Waiters, v)
	}
	return l
}

// text prints a row a key, because a key is what somebody looks for.
func (l *listing) text(w io.Writer) error {
	var rows [][]string
	for _, h := range l.Holders {
		ends := "-"
		if !h.Expires.IsZero() {
			ends = age(h.EndsIn.Duration())
		}
		for _, k := range h.Keys {
			rows = append(rows, []string{k, h.State, age(h.For.Duration()), ends, h.Owner.String(), h.Reason})
		}
	}
	// As many as there are rows, whatever leases they belong to.
	fmt.Fprintf(w, "%s: %d held, %d waiting\n", printable(l.Store), len(rows), len(l.Waiters))
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := columns(w, []string{"KEY", "STATE", "FOR", "LEASE ENDS IN", "BY", "REASON"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, v := range l.Waiters {
		rows = append(rows, []string{strconv.Itoa(v.Place), strings.Join(v.Wants, " and "), age(v.For.Duration()), strings.Join(v.Reserved, " "), v.Owner.String(), v.Reason})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		return columns(w, []string{"PLACE", "WAITS FOR", "FOR", "KEPT ASIDE", "WHO", "REASON"}, rows)
	}
	return nil
}
