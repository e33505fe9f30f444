package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func newFreeCmd() *cobra.Command {
	var s storeFlags
	var force bool
	var reason string
	var only stillHeld
	cmd := &cobra.Command{
		Use:   "free [flags] KEY",
		Short: "Take a resource from whoever holds it",
		Long: `Take a resource from whoever holds it, with everything else of that lease, and
hand it to who waits for it. The holder learns of it at its next renewal: its
test fails. Without --force it only says who holds the resource, and exits with 1.

--if-run and --if-token free it only if it is still held by what one has seen there:
it may have been handed on meanwhile. They look right before; should it change hands
in that millisecond after all, that is told, with exit code 1.`,
		Example: `  rtest-report free board-3 --force --reason 'the lab loses power'
  rtest-report free board-3 --force --if-run 4711 --if-token 812`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the key of one resource; rtest-report ls lists those that are held")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, store lockcore.Store) error {
				if !force {
					return refuse(ctx, store, args[0])
				}
				if err := only.check(ctx, cmd, store, args[0]); err != nil {
					return err
				}
				return free(ctx, cmd, store, args[0], reason, &only)
			})
		},
	}
	s.bind(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "do it")
	cmd.Flags().StringVar(&reason, "reason", "", "`WORDS` for the holder")
	cmd.Flags().StringVar(&only.run, "if-run", "", "only if it is still held by the run `ID`")
	cmd.Flags().Uint64Var(&only.token, "if-token", 0, "only if it is still held under the fencing token `N`")
	return cmd
}

// stillHeld is what a key must be held by to be freed.
type stillHeld struct {
	run   string
	token uint64
}

// by reports whether a holder is the one that is meant.
func (s *stillHeld) by(h lockcore.Holder) bool {
	return (s.run == "" || s.run == h.Owner.Run) && (s.token == 0 || s.token == h.Token)
}

// check refuses to free a key that somebody else holds by now. A store frees by key,
// whoever has it, so looking and freeing are two steps: free looks again at what it got.
func (s *stillHeld) check(ctx context.Context, cmd *cobra.Command, store lockcore.Store, key string) error {
	// A script whose look has failed passes an empty value on, which must not free whatever is
	// there.
	if f := cmd.Flags(); f.Changed("if-run") && s.run == "" || f.Changed("if-token") && s.token == 0 {
		return errors.New("--if-run and --if-token want what ls --format json shows of the holder; theirs is empty")
	}
	if s.run == "" && s.token == 0 {
		return nil
	}
	snap, err := store.Snapshot(ctx)
	if err != nil {
		return err
	}
	held := false
	for _, h := range snap.Holders {
		if !slices.Contains(h.Keys(), key) {
			continue
		}
		held = true
		if !s.by(h) {
			return breach("%s is %s by %s now, run %q, token %d: it was left alone", printable(key), h.State, printable(h.Owner.String()), h.Owner.Run, h.Token)
		}
	}
	if !held {
		return notHeld(key, snap)
	}
	return nil
}

// refuse says what --force would do: a resource that is held is mostly in use, and its
// test fails when it is taken away.
func refuse(ctx context.Context, store lockcore.Store, key string) error {
	s, err := store.Snapshot(ctx)
	if err != nil {
		return err
	}
	var who []string
	for _, h := range s.Holders {
		if !slices.Contains(h.Keys(), key) {
			continue
		}
		who = append(who, fmt.Sprintf("%s by %s for %s", h.State, printable(h.Owner.String()), age(s.Time.Sub(h.Since))))
	}
	if len(who) == 0 {
		return notHeld(key, s)
	}
	return breach("%s is %s; --force takes it away", printable(key), strings.Join(who, " and "))
}

// notHeld names what is held, since a key that is not is often mistyped.
func notHeld(key string, s lockcore.Snapshot) error {
	var held []string
	for _, h := range s.Holders {
		for _, k := range h.Keys() {
			held = append(held, printable(k))
		}
	}
	slices.Sort(held)
	held = slices.Compact(held) // what is shared has several holders
	const shown = 20
	switch {
	case len(held) == 0:
		return breach("%s is not held; nothing is", printable(key))
	case len(held) > shown:
		held = append(held[:shown], fmt.Sprint("and ", len(held)-shown, " more"))
	}
	return breach("%s is not held; held are %s", printable(key), strings.Join(held, ", "))
}

func free(ctx context.Context, cmd *cobra.Command, store lockcore.Store, key, reason string, only *stillHeld) error {
	why := "freed by " + lockcore.CurrentUser() + " with rtest-report free"
	if reason != "" {
		why += ": " + reason
	}
	holders, err := store.Free(ctx, key, why)
	if errors.Is(err, lockcore.ErrNotHeld) { // given back since it was looked at, or mistyped
		s, snapErr := store.Snapshot(ctx)
		if snapErr != nil {
			return breach("%s is not held", printable(key))
		}
		return notHeld(key, s)
	}
	if err != nil {
		return err
	}
	var wrong error // told at the end: what was done is printed and recorded in any case
	for _, h := range holders {
		var also []string
		for _, k := range h.Keys() {
			if k != key {
				also = append(also, printable(k))
			}
		}
		with := ""
		if len(also) > 0 {
			with = ", with " + strings.Join(also, ", ")
		}
		since := ""
		if !h.Since.IsZero() {
			since = ", who had it since " + h.Since.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "freed %s%s from %s%s\n", printable(key), with, printable(h.Owner.String()), since)
		if !only.by(h) {
			wrong = breach("%s had just been handed on: it was taken from %s, run %q, token %d", printable(key), printable(h.Owner.String()), h.Owner.Run, h.Token)
		}
	}
	if err := audit(ctx, deed{Action: "free", Keys: []string{key}, By: lockcore.CurrentUser(), Reason: reason}); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning: the event was not written:", err)
	}
	return wrong
}
