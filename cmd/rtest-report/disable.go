package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/live"
)

func newDisableCmd() *cobra.Command {
	var p personFlags
	var o lockcore.Outage
	cmd := &cobra.Command{
		Use:   "disable [flags] KEY... --reason WORDS",
		Short: "Take resources out of service",
		Long: `Take resources out of service: nobody is given them, however many wait, until
«rtest-report enable». One that is held goes out of service when its holder gives it
back; with --now it is taken from him in the same step, and his test fails. A
request that cannot be met without them ends at once and says why.`,
		Example: "  rtest-report disable board-3 --reason 'smells of smoke' --now",
		Args:    namesKeys,
		RunE: func(cmd *cobra.Command, keys []string) error {
			if strings.TrimSpace(o.Reason) == "" {
				return errors.New("say why, for those whose tests will not run: --reason WORDS")
			}
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				warnUnlisted(ctx, cmd.ErrOrStderr(), keys)
				o.Keys = keys
				out, err := live.Disable(ctx, l, o)
				if err != nil {
					return storeError(err)
				}
				var lines []string
				records := out.Deeds(p.as, o.Reason)
				// An empty list, not nil: where all were out of service before, JSON says [].
				d := deed{Action: "disable", Keys: []string{}, By: p.as, Reason: o.Reason}
				for _, one := range records {
					if one.Action != "disable" { // a key that was only taken is told with its holder, below
						continue
					}
					if len(d.Keys) == 0 {
						d.Until = one.Until // the first of several ends: until then all of them are out
					}
					d.Keys = append(d.Keys, one.Keys...)
					line := "disabled " + keyList(one.Keys)
					switch {
					case !one.Until.IsZero():
						// By the clock of whoever reads it; the record has UTC.
						line += " until " + one.Until.Local().Format(time.DateTime)
					case o.For > 0: // for longer, if they were disabled before
						line += " for " + age(o.For) + " or longer"
					}
					lines = append(lines, line)
				}
				for _, h := range out.Left {
					until := "until it is enabled"
					if !h.Expires.IsZero() {
						until = "until " + h.Expires.Local().Format(time.DateTime)
					}
					lines = append(lines, fmt.Sprintf("%s was disabled by %s already, and stays so %s: enable it first for another end", keyList(h.Keys()), printable(h.Owner.String()), until))
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{}))
				}
				for _, h := range out.Held {
					line := keyList(h.Keys()) + " is held by " + printable(h.Owner.String()) + " until it is given back"
					if o.Now {
						line = keyList(h.Keys()) + " was taken from " + printable(h.Owner.String())
					}
					lines = append(lines, line)
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{}))
				}
				return p.doneAs(cmd, d, strings.Join(lines, "\n"), records...)
			})
		},
	}
	p.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Reason, "reason", "", "`WORDS` for those who would have been given them")
	f.BoolVar(&o.Now, "now", false, "take them from whoever holds them")
	f.DurationVar(&o.For, "for", 0, "for how `LONG` (default until they are enabled); each time in a row twice as long, and no change to what is disabled already")
	return cmd
}

func newEnableCmd() *cobra.Command {
	var p personFlags
	cmd := &cobra.Command{
		Use:     "enable [flags] KEY...",
		Short:   "Put resources back into service",
		Example: "  rtest-report enable board-3",
		Args:    namesKeys,
		RunE: func(cmd *cobra.Command, keys []string) error {
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				enabled, err := l.Enable(ctx, keys...)
				if err != nil {
					return storeError(err)
				}
				var back []string
				for _, h := range enabled {
					back = append(back, h.Keys()...)
				}
				text := "enabled " + keyList(back)
				for _, k := range keys {
					if !slices.Contains(back, k) {
						text += "\n" + printable(k) + " was not disabled"
					}
				}
				return p.done(cmd, deed{Action: "enable", Keys: back}, text)
			})
		},
	}
	p.bind(cmd)
	return cmd
}

// warnUnlisted names the keys that the inventory does not list: they may be slips.
func warnUnlisted(ctx context.Context, w io.Writer, keys []string) {
	v, err := readInventory(ctx)
	if err != nil {
		return // none, or one that says nothing about these keys
	}
	for _, k := range keys {
		if _, _, known := v.Find(k); !known {
			fmt.Fprintf(w, "rtest-report: warning: %s does not list %s\n", v, printable(k))
		}
	}
}
