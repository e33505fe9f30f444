// Package metrics writes a report in the OpenMetrics text format, see [Write].
package metrics

import (
	"io"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/openmetrics"

	"github.com/resourcelocker/resourcelocker/report"
)

// poolsMost bounds the pools that metrics tell apart: every label value is a
// time series in somebody's database, for ever.
const poolsMost = 50

// Write writes a report in the OpenMetrics text format, for a metrics
// report of a CI server or the textfile collector of a node exporter. Labels are
// pools, causes and outcomes only; tests and resources have too many names. Of
// the pools, those that were waited for most have their own numbers.
func Write(w io.Writer, r *report.Report) error {
	m := metrics{openmetrics.NewWriter(w)}
	pools := slices.Clone(r.Pools)
	slices.SortStableFunc(pools, func(a, b report.Group) int { return int(max(-1, min(1, b.Blamed()-a.Blamed()))) })
	// The pools that cost most, but in the order of their names, which does not
	// change from run to run: the files are compared line by line.
	omitted := max(0, len(pools)-poolsMost)
	pools = pools[:len(pools)-omitted]
	slices.SortFunc(pools, func(a, b report.Group) int { return strings.Compare(a.Name, b.Name) })

	m.Family("rtest_window_seconds", "gauge", "seconds", "Time from the first to the last event.")
	m.Value("rtest_window_seconds", r.Window.Duration().Seconds())
	m.Family("rtest_events", "counter", "", "Events read.")
	m.Value("rtest_events_total", float64(r.Events))
	m.Family("rtest_events_dropped", "counter", "", "Events that their writers lost.")
	m.Value("rtest_events_dropped_total", float64(r.Dropped))
	m.Family("rtest_requests", "counter", "", "Requests by what became of them.")
	t := &r.Total
	for _, o := range []struct {
		name string
		n    int
	}{{"acquired", t.Acquired}, {"cancelled", t.Canceled}, {"failed", t.Failed}, {"skipped", t.Skipped}, {"timeout", t.TimedOut}} {
		m.Value("rtest_requests_total", float64(o.n), "outcome", o.name)
	}
	m.Family("rtest_requests_backfilled", "counter", "", "Requests served before somebody who came earlier, out of what was reserved for them.")
	m.Value("rtest_requests_backfilled_total", float64(t.Backfilled))
	m.Family("rtest_leases_gone", "counter", "", "Leases that ended without being given back.")
	m.Value("rtest_leases_gone_total", float64(t.Lost), "how", "lost")
	m.Value("rtest_leases_gone_total", float64(t.Orphaned), "how", "orphaned")
	m.Family("rtest_renewals_failed", "counter", "", "Renewals that did not get through.")
	m.Value("rtest_renewals_failed_total", float64(r.RenewFails))
	m.Family("rtest_blame_seconds", "counter", "seconds", "Time waited, by what it was spent on.")
	// All of them, those without a second too: a series that comes and goes cannot
	// be compared.
	for _, c := range report.Causes {
		m.Value("rtest_blame_seconds_total", timeOf(c, r.Blame).Duration().Seconds(), "cause", string(c))
	}
	m.stats("rtest_wait", "Waits of requests, served or not", func(yield func(report.Stat, ...string)) { yield(t.Wait) })
	m.stats("rtest_hold", "Holds", func(yield func(report.Stat, ...string)) { yield(t.Hold) })
	m.Family("rtest_queue_depth", "gauge", "", "Requests waiting at one moment, on average.")
	m.Value("rtest_queue_depth", r.QueueMean)
	m.Family("rtest_queue_depth_max", "gauge", "", "Requests waiting at one moment, at most.")
	m.Value("rtest_queue_depth_max", float64(r.QueueMax))
	m.pools(pools)
	m.Family("rtest_pools_omitted", "gauge", "", "Pools without numbers of their own.")
	m.Value("rtest_pools_omitted", float64(omitted))
	return m.End()
}

func timeOf(c report.Cause, l []report.CauseTime) eventlog.MS {
	for _, t := range l {
		if t.Cause == c {
			return t.Time
		}
	}
	return 0
}

type metrics struct{ *openmetrics.Writer }

// pools writes what each pool has.
func (m *metrics) pools(pools []report.Group) {
	if len(pools) == 0 {
		return
	}
	each := func(yield func(*report.Group)) {
		for i := range pools {
			yield(&pools[i])
		}
	}
	m.stats("rtest_pool_wait", "Waits of requests for a pool", func(yield func(report.Stat, ...string)) {
		each(func(g *report.Group) { yield(g.Wait, "pool", g.Name) })
	})
	m.stats("rtest_pool_hold", "Holds of resources of a pool", func(yield func(report.Stat, ...string)) {
		each(func(g *report.Group) { yield(g.Hold, "pool", g.Name) })
	})
	m.Family("rtest_pool_resources", "gauge", "", "Resources of a pool.")
	each(func(g *report.Group) { m.Value("rtest_pool_resources", float64(g.Size), "pool", g.Name) })
	m.Family("rtest_pool_in_use", "gauge", "", "Resources in use at one moment, on average.")
	each(func(g *report.Group) { m.Value("rtest_pool_in_use", g.InUse, "pool", g.Name) })
	m.Family("rtest_pool_utilisation_ratio", "gauge", "ratio", "Share of the time that the resources of a pool were in use.")
	each(func(g *report.Group) { m.Value("rtest_pool_utilisation_ratio", g.Utilisation, "pool", g.Name) })
	m.Family("rtest_pool_queue_depth", "gauge", "", "Requests waiting for a pool at one moment, on average.")
	each(func(g *report.Group) { m.Value("rtest_pool_queue_depth", g.QueueMean, "pool", g.Name) })
	m.Family("rtest_pool_blame_seconds", "counter", "seconds", "Time for which a pool was what requests waited for.")
	each(func(g *report.Group) {
		for _, b := range g.Blame {
			m.Value("rtest_pool_blame_seconds_total", b.Time.Duration().Seconds(), "pool", g.Name, "cause", string(b.Cause))
		}
	})
}

// stats writes a summary, and the longest as a gauge of its own: a summary has no
// place for it.
func (m *metrics) stats(name, what string, all func(yield func(report.Stat, ...string))) {
	m.Family(name+"_seconds", "summary", "seconds", what+".")
	all(func(s report.Stat, labels ...string) {
		for _, q := range []struct {
			q string
			v eventlog.MS
		}{{"0.5", s.P50}, {"0.95", s.P95}} {
			m.Value(name+"_seconds", q.v.Duration().Seconds(), append(slices.Clone(labels), "quantile", q.q)...)
		}
		m.Value(name+"_seconds_sum", s.Total.Duration().Seconds(), labels...)
		m.Value(name+"_seconds_count", float64(s.N), labels...)
	})
	m.Family(name+"_max_seconds", "gauge", "seconds", what+": the longest.")
	all(func(s report.Stat, labels ...string) {
		m.Value(name+"_max_seconds", s.Max.Duration().Seconds(), labels...)
	})
}
