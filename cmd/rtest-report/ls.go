package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
	"github.com/resourcelocker/resourcelocker/report/live"
)

func newLsCmd() *cobra.Command {
	var s storeFlags
	var format string
	var history, watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "ls [flags] [KEY...]",
		Short: "Who holds and who waits for what right now, in order",
		Long: `Who holds and who waits for what right now, in order, what is reserved by whom and
until when, what is out of service and why; and when those who wait are expected to
be served, as far as hold times were learned. With an inventory (RTEST_POOLS) also
what is free. --watch shows it again whenever it changed.

With --history, how long each test held what it asked for, the last times: what the
store expects of it when it decides who may go before whom. KEYs then are names of
tests, and of those that have subtests.`,
		Example: `  rtest-report ls
  rtest-report ls --watch
  rtest-report ls board-3 --url redis://lab:6379/0 --format json
  rtest-report ls --history TestBoot`,
		RunE: func(cmd *cobra.Command, keys []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; known are text and json", format)
			}
			if watch && history {
				return errors.New("--watch shows who holds what now; it goes without --history")
			}
			if every <= 0 { // of which a ticker panics
				return errors.New("--every must be more than 0")
			}
			ctx := cmd.Context()
			// Who holds what is in the store alone: without the inventory only what is free is missing.
			v, err := readInventory(ctx)
			if err != nil && !errors.Is(err, inventory.ErrNone) {
				fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", err)
			}
			if watch {
				return watchStore(cmd, &s, keys, format, every)
			}
			return s.with(ctx, cmd.ErrOrStderr(), func(ctx context.Context, store lockcore.Store) error {
				if history {
					return lsHistory(ctx, cmd.OutOrStdout(), store, keys, format)
				}
				l, err := look(ctx, store, v, keys)
				if err != nil {
					return err
				}
				if format == "json" {
					return indented(cmd.OutOrStdout(), l)
				}
				return listText(cmd.OutOrStdout(), l)
			})
		},
	}
	s.bind(cmd)
	cmd.Flags().StringVarP(&format, "format", "f", "text", "`text|json`")
	cmd.Flags().BoolVar(&history, "history", false, "how long tests held, the last times")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changed, until interrupted; JSON is then one line each time")
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often --watch looks")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// look makes the listing of a store. v may be nil.
func look(ctx context.Context, store lockcore.Store, v *inventory.Inventory, keys []string) (*listing, error) {
	// The Locker is for the one call; who opened the store closes it.
	snap, err := lockcore.New(store, nil).Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	items, err := itemsOf(v)
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		items = slices.DeleteFunc(items, func(i live.Item) bool { return !slices.Contains(keys, i.Key) })
	}
	// Items are nil without an inventory, and the listing is then silent on what is free. An
	// empty list would say that all is taken.
	l := &listing{Listing: live.List(store.String(), snap, items)}
	if len(keys) > 0 { // only now: the place of a request is that in the whole line
		snap = only(snap, keys)
		l.Holders = slices.DeleteFunc(l.Holders, func(h live.Holding) bool {
			return !slices.ContainsFunc(h.Keys, func(k string) bool { return slices.Contains(keys, k) })
		})
		l.Waiters = slices.DeleteFunc(l.Waiters, func(w live.Waiting) bool {
			return !slices.ContainsFunc(snap.Waiters, func(o lockcore.Waiter) bool { return o.ID == w.ID })
		})
	}
	for _, k := range keys {
		listed := slices.ContainsFunc(items, func(i live.Item) bool { return i.Key == k })
		if s := only(snap, []string{k}); !listed && len(s.Holders)+len(s.Waiters) == 0 {
			l.unheard = append(l.unheard, k)
		}
	}
	return l, nil
}

// A listing is what ls prints.
type listing struct {
	*live.Listing
	unheard []string // keys that were asked for, of which the store knows nothing: free, or spelled wrong
}

// itemsOf lists the items of all pools, by the names of the pools; nil without an
// inventory.
func itemsOf(v *inventory.Inventory) ([]live.Item, error) {
	if v == nil {
		return nil, nil
	}
	items := []live.Item{}
	for _, name := range v.Names() {
		p, err := v.Pool(name)
		if err != nil {
			return nil, err
		}
		for _, i := range p.Items {
			items = append(items, live.Item{Key: i.Key, Pool: name, Tags: i.Tags, Seats: p.Seats})
		}
	}
	return items, nil
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// only keeps what is about one of the keys. Leases and requests stay whole: what else
// they have says why they take so long.
func only(s lockcore.Snapshot, keys []string) lockcore.Snapshot {
	out := lockcore.Snapshot{Time: s.Time, Endings: s.Endings}
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

// countStates counts resources, whatever leases they belong to and however many hold one.
// What is out of service is that, whoever still holds it.
func countStates(l *listing) string {
	state := map[string]string{}
	for _, h := range l.Holders {
		for _, k := range h.Keys {
			if state[k] == "" || h.State == "disabled" {
				state[k] = h.State
			}
		}
	}
	n := map[string]int{}
	for _, s := range state {
		n[s]++
	}
	words := fmt.Sprint(n["held"], " held")
	for _, s := range []string{"granted", "kept", "reserved", "disabled", "foreign"} {
		if n[s] > 0 {
			words += fmt.Sprint(", ", n[s], " ", s)
		}
	}
	return words
}

// listText prints a row a key, because a key is what somebody looks for.
func listText(w io.Writer, l *listing) error {
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
	fmt.Fprintf(w, "%s: %s, ", printable(l.Store), countStates(l))
	if l.Free != nil {
		fmt.Fprintf(w, "%d free, ", len(l.Free))
	}
	fmt.Fprintf(w, "%d waiting\n", len(l.Waiters))
	for _, k := range l.unheard {
		where := "it is held by nobody, and nobody waits for it"
		if l.Free != nil {
			where += "; the inventory does not list it"
		}
		fmt.Fprintf(w, "%s: %s\n", printable(k), where)
	}
	for _, f := range l.Free {
		last := ""
		if f.Last != "" {
			last = "last use: " + f.Last
		}
		rows = append(rows, []string{f.Key, "free", "", "", "", last})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := columns(w, []string{"KEY", "STATE", "FOR", "ENDS IN", "BY", "REASON"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, v := range l.Waiters {
		start := "-"
		if !v.Start.IsZero() {
			start = age(v.StartIn.Duration())
		}
		rows = append(rows, []string{strconv.Itoa(v.Place), strings.Join(v.Wants, " and "), age(v.For.Duration()), start, strings.Join(v.Reserved, " "), v.Owner.String(), v.Reason})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		return columns(w, []string{"PLACE", "WAITS FOR", "FOR", "EXPECTED IN", "KEPT ASIDE", "WHO", "REASON"}, rows)
	}
	return nil
}
