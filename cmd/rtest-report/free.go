package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	cmd := &cobra.Command{
		Use:   "free [flags] KEY",
		Short: "Take a resource from whoever holds it",
		Long: `Take a resource from whoever holds it, with everything else of that lease, and
hand it to who waits for it. The holder learns of it at its next renewal: its
test fails. Without --force it only says who holds the resource, and exits with 1.`,
		Example: "  rtest-report free board-3 --force --reason 'the lab loses power'",
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
				return free(ctx, cmd, store, args[0], reason)
			})
		},
	}
	s.bind(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "do it")
	cmd.Flags().StringVar(&reason, "reason", "", "`WORDS` for the holder")
	return cmd
}

// refuse says what --force would do.
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
	held = slices.Compact(held)
	const shown = 20
	switch {
	case len(held) == 0:
		return breach("%s is not held; nothing is", printable(key))
	case len(held) > shown:
		held = append(held[:shown], fmt.Sprint("and ", len(held)-shown, " more"))
	}
	return breach("%s is not held; held are %s", printable(key), strings.Join(held, ", "))
}

func free(ctx context.Context, cmd *cobra.Command, store lockcore.Store, key, reason string) error {
	why := "freed by " + who() + " with rtest-report free"
	if reason != "" {
		why += ": " + reason
	}
	holders, err := store.Free(ctx, key, why)
	if errors.Is(err, lockcore.ErrNotHeld) {
		s, snapErr := store.Snapshot(ctx)
		if snapErr != nil {
			return breach("%s is not held", printable(key))
		}
		return notHeld(key, s)
	}
	if err != nil {
		return err
	}
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
	}
	return nil
}

// who is the user and the machine, as far as the environment tells.
func who() string {
	name := os.Getenv("USER")
	if name == "" {
		name = os.Getenv("USERNAME")
	}
	if name == "" {
		name = "somebody"
	}
	if host, err := os.Hostname(); err == nil {
		name += " on " + host
	}
	return name
}
