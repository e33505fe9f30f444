package live

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/internal/openmetrics"
)

// poolsMost bounds the pools that metrics tell apart: every label value is a time
// series in somebody's database, for ever.
const poolsMost = 50

// metrics is what is to be seen in the OpenMetrics text format. Labels are states and
// pools of the inventory only; tests and resources have too many names.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	s.poll.look(r.Context())
	st, looks, failed, streams := s.poll.figures()
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	m := openmetrics.NewWriter(w)
	up := 0.0
	if st != nil && st.err == nil {
		up = 1
	}
	m.Family("rtest_store_up", "gauge", "", "Whether the store answered when it was last asked.")
	m.Value("rtest_store_up", up)
	m.Family("rtest_looks", "counter", "", "Looks at the store.")
	m.Value("rtest_looks_total", float64(looks))
	m.Family("rtest_looks_failed", "counter", "", "Looks at the store that failed.")
	m.Value("rtest_looks_failed_total", float64(failed))
	m.Family("rtest_streams", "gauge", "", "Pages that follow the store.")
	m.Value("rtest_streams", float64(streams))
	if st != nil && st.listing != nil {
		m.Family("rtest_snapshot_age_seconds", "gauge", "seconds", "How old the rest is.")
		m.Value("rtest_snapshot_age_seconds", time.Since(st.at).Seconds())
		n := counts(st.rows)
		m.Family("rtest_resources", "gauge", "", "Resources by state.")
		for _, state := range states { // also those of which there are none: a series that comes and goes has gaps
			m.Value("rtest_resources", float64(n[state]), "state", state)
		}
		m.Family("rtest_waiting", "gauge", "", "Requests in line.")
		m.Value("rtest_waiting", float64(len(st.listing.Waiters)))
		m.Family("rtest_waiting_longest_seconds", "gauge", "seconds", "How long the request has waited that came first.")
		seconds := 0.0
		if l := longest(st.listing); l != nil {
			seconds = l.For.Duration().Seconds()
		}
		m.Value("rtest_waiting_longest_seconds", seconds)
		metricsOfPools(m, st)
	}
	_ = m.End() // to a client that may have gone
}

// metricsOfPools writes what each pool of the inventory has.
func metricsOfPools(m *openmetrics.Writer, st *state) {
	rows := map[string][]row{}
	for _, r := range st.rows {
		if r.Pool != "" {
			rows[r.Pool] = append(rows[r.Pool], r)
		}
	}
	if len(rows) == 0 {
		return
	}
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	// Those with most resources, in the order of their names, which stays the same.
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(rows[b])-len(rows[a]), strings.Compare(a, b)) })
	omitted := max(0, len(names)-poolsMost)
	names = names[:len(names)-omitted]
	slices.Sort(names)
	m.Family("rtest_pool_resources", "gauge", "", "Resources of a pool of the inventory by state.")
	for _, name := range names {
		n := counts(rows[name])
		for _, state := range states {
			m.Value("rtest_pool_resources", float64(n[state]), "pool", name, "state", state)
		}
	}
	m.Family("rtest_pools_omitted", "gauge", "", "Pools without numbers of their own.")
	m.Value("rtest_pools_omitted", float64(omitted))
}
