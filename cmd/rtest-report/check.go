package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
)

// limits are what check holds a report against.
type limits struct {
	waitP50, waitP95, waitMax time.Duration
	gaveUp, lost, orphaned    int
	suspects                  int
	lockShare                 string
}

func newCheckCmd() *cobra.Command {
	var in input
	var l limits
	var c comparison
	cmd := &cobra.Command{
		Use:   "check [flags] [EVENTS...]",
		Short: "Exit with 1 when tests waited too long or lost leases: a gate for CI",
		Long: `Exit with 1 when tests waited too long or lost leases: a gate for CI.

It passes only what it has read and understood: a line that is no event, one of a
newer version, or an event that its writer had to drop gives exit code 2. A last
line that stops in the middle is told and tolerated, since a killed process leaves
one. Where nothing was recorded it says so and passes; with --require-events that
is a breach.`,
		Example: `  rtest-report check --events events --max-wait-p95 5m --max-lost 0
  rtest-report check --events events --max-lock-share 20%`,
		RunE: func(cmd *cobra.Command, args []string) error {
			gates, err := l.gates(cmd)
			if err != nil {
				return err
			}
			in.gate = true     // what cannot be read is an error: a gate that skips it could pass for want of evidence
			c.alone(&in, args) // JUnit files alone tell of suspects, too
			r, err := foldInput(cmd, &in, c.options(report.Options{}), args...)
			if err != nil {
				return err
			}
			found, err := c.find()
			if err != nil {
				return err
			}
			r.Suspects = suspicions(found)
			// Before any "ok" is printed: a verdict is of events that were all read and understood.
			if err := in.done(cmd); err != nil {
				return err
			}
			if empty := in.empty(); empty != "" && len(c.files) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), empty+"; no limit was looked at")
				return nil
			}
			return judge(cmd, gates, r)
		},
	}
	in.bind(cmd)
	c.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&l.waitP50, "max-wait-p50", 0, "longest median wait of a request")
	f.DurationVar(&l.waitP95, "max-wait-p95", 0, "longest wait of 95 of 100 requests")
	f.DurationVar(&l.waitMax, "max-wait", 0, "longest wait of any request")
	f.IntVar(&l.gaveUp, "max-gave-up", 0, "requests that were not served, and those that wait when the events end")
	f.IntVar(&l.lost, "max-lost", 0, "leases lost while a test used them")
	f.IntVar(&l.orphaned, "max-orphaned", 0, "leases whose holder died")
	f.IntVar(&l.suspects, "max-suspects", 0, "resources, tags, or tests on one resource, that failures follow")
	f.StringVar(&l.lockShare, "max-lock-share", "", "largest part of the time between asking and giving back that was spent waiting, as 20% or 0.2")
	return cmd
}

// A gate is one limit: what the report says, and whether that is too much.
type gate struct {
	flag  string
	limit string
	value func(*report.Report) (words string, breached bool)
}

// gates are those that the user set; a limit of 0 is one too.
func (l *limits) gates(cmd *cobra.Command) ([]gate, error) {
	var gates []gate
	wait := func(flag string, limit time.Duration, of func(*report.Stat) time.Duration) {
		gates = append(gates, gate{flag, limit.String(), func(r *report.Report) (string, bool) {
			// Rounded for the reader only: 300.4 ms breach 300 ms, though both read the same.
			d := of(&r.Total.Wait)
			return d.Round(time.Millisecond).String(), d > limit
		}})
	}
	number := func(flag string, limit int, of func(*report.Group) int) {
		gates = append(gates, gate{flag, strconv.Itoa(limit), func(r *report.Report) (string, bool) {
			n := of(&r.Total)
			return strconv.Itoa(n), n > limit
		}})
	}
	share, err := fraction(l.lockShare)
	if err != nil {
		return nil, err
	}
	for _, g := range []struct {
		flag string
		add  func(flag string)
	}{
		{"max-wait-p50", func(f string) {
			wait(f, l.waitP50, func(s *report.Stat) time.Duration { return s.P50.Duration() })
		}},
		{"max-wait-p95", func(f string) {
			wait(f, l.waitP95, func(s *report.Stat) time.Duration { return s.P95.Duration() })
		}},
		{"max-wait", func(f string) {
			wait(f, l.waitMax, func(s *report.Stat) time.Duration { return s.Max.Duration() })
		}},
		{"max-gave-up", func(f string) {
			// One that still waits when the events end is in Report.Now, and not in Total. It was not
			// served either: mostly, whoever ended the job killed its process.
			gates = append(gates, gate{f, strconv.Itoa(l.gaveUp), func(r *report.Report) (string, bool) {
				still := 0
				for i := range r.Now {
					if r.Now[i].Waiting {
						still++
					}
				}
				n := r.Total.Requests - r.Total.Acquired + still
				words := strconv.Itoa(n)
				if still > 0 {
					words += fmt.Sprintf(" (%d still waited when the events end)", still)
				}
				return words, n > l.gaveUp
			}})
		}},
		{"max-lost", func(f string) { number(f, l.lost, func(g *report.Group) int { return g.Lost }) }},
		{"max-orphaned", func(f string) { number(f, l.orphaned, func(g *report.Group) int { return g.Orphaned }) }},
		{"max-suspects", func(f string) {
			gates = append(gates, gate{f, strconv.Itoa(l.suspects), func(r *report.Report) (string, bool) {
				words := strconv.Itoa(len(r.Suspects))
				for _, s := range r.Suspects {
					words += "; " + s
				}
				return words, len(r.Suspects) > l.suspects
			}})
		}},
		{"max-lock-share", func(f string) {
			gates = append(gates, gate{f, l.lockShare, func(r *report.Report) (string, bool) {
				return strconv.FormatFloat(100*r.LockShare(), 'f', 1, 64) + "%", r.LockShare() > share
			}})
		}},
	} {
		if cmd.Flags().Changed(g.flag) {
			g.add(g.flag)
		}
	}
	if len(gates) == 0 {
		return nil, errors.New("no limit given; try --max-wait-p95 5m --max-lost 0")
	}
	return gates, nil
}

// fraction reads 20% or 0.2. The condition is written so that NaN, which ParseFloat
// reads and no comparison is true for, is refused.
func fraction(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	number, isPercent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("--max-lock-share %q is no part of a whole; write 20%% or 0.2", s)
	}
	return f, nil
}

// judge prints what each gate saw.
func judge(cmd *cobra.Command, gates []gate, r *report.Report) error {
	breaches := 0
	for _, g := range gates {
		value, breached := g.value(r)
		// A median of nothing is 0 s, which would look like a measurement.
		if r.Total.Requests == 0 && !breached {
			value = "no lock was asked for"
		}
		verdict := "ok    "
		if breached {
			verdict = "BREACH"
			breaches++
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  --%s %s: %s\n", verdict, g.flag, g.limit, value)
	}
	if breaches > 0 {
		return breach("%d of %d limits exceeded, over %d requests", breaches, len(gates), r.Total.Requests)
	}
	return nil
}
