package reporttest

import (
	"regexp"
	"strings"
	"testing"
)

var (
	metricSample = regexp.MustCompile(`^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$`)
	metricHead   = regexp.MustCompile(`^# (TYPE|UNIT|HELP) ([a-z_]+) (.+)$`)
)

// CheckOpenMetrics holds the rules of the format: families in one piece, each with a
// type, samples of its kind, no series twice, the end marked.
func CheckOpenMetrics(t *testing.T, text string) {
	t.Helper()
	body, ok := strings.CutSuffix(text, "# EOF\n")
	if !ok {
		t.Fatal("no # EOF at the end")
	}
	family, kind := "", ""
	seen := map[string]bool{}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if m := metricHead.FindStringSubmatch(line); m != nil {
			switch {
			case m[1] == "TYPE":
				if seen[m[2]] {
					t.Errorf("family %s stands twice", m[2])
				}
				family, kind = m[2], m[3]
				seen[family] = true
			case m[2] != family:
				t.Errorf("%q within family %s", line, family)
			case m[1] == "UNIT" && !strings.HasSuffix(family, "_"+m[3]):
				t.Errorf("%s does not end with its unit, %s", family, m[3])
			}
			continue
		}
		m := metricSample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		// The kinds that this module writes; another has no suffixes, so that it fails here.
		suffixes := map[string][]string{"counter": {"_total"}, "gauge": {""}, "summary": {"", "_sum", "_count"}}[kind]
		found := false
		for _, s := range suffixes {
			found = found || m[1] == family+s
		}
		if !found {
			t.Errorf("%q within %s %s", line, kind, family)
		}
		if seen[m[1]+m[2]] && m[2] != "" {
			t.Errorf("series %s%s stands twice", m[1], m[2])
		}
		seen[m[1]+m[2]] = true
	}
}
