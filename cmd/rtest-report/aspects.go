package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
)

func newAspectsCmd() *cobra.Command {
	var in input
	var format, sums string
	cmd := &cobra.Command{
		Use:   "aspects [flags] [EVENTS...]",
		Short: "The sums by tag that the Python package resource_locker kept",
		Long: `The six sums by tag and value that the Python package resource_locker kept:
requests, grants, failures and releases, counted once for a request and
resource, and the seconds waited and held, added for each resource. They are
computed from events, or with --sums read from the Redis that RTEST_REPORT named.

In this line, of the key board-1, 30 requests could have used the board, 10 got it:

  tag  value    requests  grants  failures  releases  waited     held
  key  board-1  30        10      0         10        1.002921s  1.044442s`,
		Example: `  rtest-report aspects --events events
  rtest-report aspects --sums redis://localhost:6379/1 --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; known are text and json", format)
			}
			var rows []aspectRow
			var err error
			if sums != "" {
				rows, err = aspectsFromSums(cmd.Context(), sums)
			} else {
				rows, err = aspectsFromEvents(cmd, &in, args)
			}
			if err != nil {
				return err
			}
			return printAspects(cmd.OutOrStdout(), format, rows)
		},
	}
	in.bind(cmd)
	cmd.Flags().StringVarP(&format, "format", "f", "text", "`text|json`")
	cmd.Flags().StringVar(&sums, "sums", "", "redis `URL` of sums to read instead of events")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// An aspectRow is the sums of one tag and value.
type aspectRow struct {
	tag, value string
	sums       map[redisreport.Aspect]float64
}

func aspectsFromSums(ctx context.Context, url string) ([]aspectRow, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("--sums is no address of a Redis; write redis://host:6379/1") // err may quote a password
	}
	client := redis.NewClient(opts)
	defer client.Close()
	q := redisreport.Query{Client: client}
	tags, err := q.AllTags(ctx)
	if err != nil {
		return nil, err
	}
	var rows []aspectRow
	for _, tag := range tags {
		values, err := q.AllValues(ctx, tag)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			sums, err := q.AllAspects(ctx, tag, v)
			if err != nil {
				return nil, err
			}
			rows = append(rows, aspectRow{tag, v, sums})
		}
	}
	return rows, nil
}

// aspectsFromEvents counts by key, and gives to tags at the end: the tags of a
// key are in the events of its grants only.
func aspectsFromEvents(cmd *cobra.Command, in *input, args []string) ([]aspectRow, error) {
	events, err := in.open(cmd, args...)
	if err != nil {
		return nil, err
	}
	c := keyCounts{keys: map[string]map[redisreport.Aspect]float64{}, lists: map[string][]string{}}
	r, err := report.Fold(c.learnLists(events), report.Options{OnRequest: c.count})
	if err != nil {
		return nil, err
	}
	// A Redis without events is mostly that of the sums, named in the wrong place. A table of no
	// rows would look like its answer.
	if len(in.streams) > 0 && in.empty() != "" {
		return nil, fmt.Errorf("%s; the sums that RTEST_REPORT kept in a Redis are read with --sums URL", in.empty())
	}
	return c.byTag(r), in.done(cmd)
}

type keyCounts struct {
	keys  map[string]map[redisreport.Aspect]float64
	lists map[string][]string // candidates by hash
}

// learnLists passes events on and keeps the long lists of candidates.
func (c *keyCounts) learnLists(events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	return func(yield func(eventlog.Event, error) bool) {
		for e, err := range events {
			if e.Ev == eventlog.Pool {
				for _, r := range e.Reqs {
					c.lists[r.Hash] = r.Candidates
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// count adds a request to the sums of its keys, each once, as the original does: a key
// that is a candidate of two requirements, or of which two seats were obtained, is one
// key of one request.
func (c *keyCounts) count(r *report.Request) {
	add := func(key string, a redisreport.Aspect, n float64) {
		if c.keys[key] == nil {
			c.keys[key] = map[redisreport.Aspect]float64{}
		}
		c.keys[key][a] += n
	}
	candidates := map[string]bool{}
	for _, q := range r.Reqs {
		keys := q.Candidates
		if keys == nil {
			keys = c.lists[q.Hash]
		}
		for _, k := range keys {
			candidates[k] = true
		}
	}
	// A failure is counted at all candidates: none of them could be had.
	for k := range candidates {
		add(k, redisreport.RequestCount, 1)
		if r.Outcome != "" && r.Outcome != eventlog.Acquired { // "": it still waits, or was killed
			add(k, redisreport.FailCount, 1)
		}
	}
	chosen := map[string]bool{}
	for _, k := range r.Chosen {
		if chosen[k.Key] {
			continue
		}
		chosen[k.Key] = true
		add(k.Key, redisreport.AcquireCount, 1)
		add(k.Key, redisreport.AcquireWait, r.Waited.Seconds()) // all of it for each key, as the original adds it
		// A test that lost its lease gives it back all the same, and was counted then. One that
		// died gave back nothing: the original never heard of its end.
		if r.End == eventlog.Release || r.End == eventlog.Lost {
			add(k.Key, redisreport.ReleaseCount, 1)
			add(k.Key, redisreport.ReleaseWait, r.Held.Seconds())
		}
	}
}

// byTag sums by tag and value, in the spelling of the original.
func (c *keyCounts) byTag(r *report.Report) []aspectRow {
	tagsOf := map[string]map[string]string{}
	for _, g := range r.Resources {
		tagsOf[g.Name] = g.Tags
	}
	type name struct{ tag, value string }
	sums := map[name]map[redisreport.Aspect]float64{}
	for key, counts := range c.keys {
		tags := map[string]string{"key": key} // to the original the key is one more tag
		maps.Copy(tags, tagsOf[key])
		for t, v := range tags {
			n := name{t, redisreport.Sanitise(v)}
			if sums[n] == nil {
				sums[n] = map[redisreport.Aspect]float64{}
			}
			for a, x := range counts {
				sums[n][a] += x
			}
		}
	}
	var rows []aspectRow
	for n, s := range sums {
		rows = append(rows, aspectRow{n.tag, n.value, s})
	}
	slices.SortFunc(rows, func(a, b aspectRow) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.value, b.value)) })
	return rows
}

func printAspects(w io.Writer, format string, rows []aspectRow) error {
	if format == "json" {
		list := []map[string]any{}
		for _, r := range rows {
			m := map[string]any{"tag": r.tag, "value": r.value}
			for _, a := range redisreport.Aspects() {
				m[string(a)] = round(r.sums[a])
			}
			list = append(list, m)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	head := []string{"tag", "value", "requests", "grants", "failures", "releases", "waited", "held"}
	cells := [][]string{}
	for _, r := range rows {
		line := []string{r.tag, r.value}
		for _, a := range redisreport.Aspects() {
			n := strconv.FormatFloat(round(r.sums[a]), 'f', -1, 64)
			if a == redisreport.AcquireWait || a == redisreport.ReleaseWait {
				n += "s"
			}
			line = append(line, n)
		}
		cells = append(cells, line)
	}
	return columns(w, head, cells)
}

// round drops what floating point adds beyond microseconds.
func round(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 6, 64), 64)
	return y
}
