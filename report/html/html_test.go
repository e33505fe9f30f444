package html

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

func pageOf(t *testing.T, events []eventlog.Event) string {
	t.Helper()
	h := &Page{}
	rep, err := report.Fold(reporttest.Sequence(events), report.Options{OnRequest: h.Add})
	if err != nil {
		t.Fatal(err)
	}
	page, err := h.page(rep)
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, page)
	return string(page)
}

var (
	forbidden = regexp.MustCompile(`(?i)<script|<style|<img|<iframe|<object|<embed|<form|\sstyle=|\son[a-z]+=|(href|src)="(javascript|data):|@import|<base|<foreignObject`)
	idAttr    = regexp.MustCompile(`\sid="([^"]*)"`)
	useAttr   = regexp.MustCompile(`url\(#([^)]*)\)|href="#([^"]*)"|aria-labelledby="([^"]*)"`)
	svgElem   = regexp.MustCompile(`(?s)<svg role="img".*?</svg>`)
	thElem    = regexp.MustCompile(`<th[ >][^>]*>?`)
)

// checkPage holds what every page must be: well-formed, complete without what a
// strict content policy blocks, and readable without seeing it.
func checkPage(t *testing.T, page []byte) {
	t.Helper()
	if m := forbidden.Find(page); m != nil {
		t.Errorf("the page has %q, which the content policy of CI servers blocks", m)
	}
	ids := map[string]int{}
	for _, m := range idAttr.FindAllSubmatch(page, -1) {
		if ids[string(m[1])]++; ids[string(m[1])] > 1 {
			t.Errorf("two elements have the id %q", m[1])
		}
	}
	for _, m := range useAttr.FindAllSubmatch(page, -1) {
		for _, id := range strings.Fields(string(slices.Concat(m[1:]...))) {
			if ids[id] == 0 {
				t.Errorf("%s: no element has that id", m[0])
			}
		}
	}
	for _, svg := range svgElem.FindAll(page, -1) {
		if !bytes.Contains(svg, []byte("<title id=")) || !bytes.Contains(svg, []byte("<desc id=")) || bytes.Contains(svg, []byte("<desc></desc>")) {
			t.Errorf("a chart without title and description: %.300s", svg)
		}
	}
	for _, th := range thElem.FindAll(page, -1) {
		if !bytes.Contains(th, []byte(`scope="`)) {
			t.Errorf("%s has no scope", th)
		}
	}
	if bytes.Count(page, []byte("<table>")) != bytes.Count(page, []byte("<caption>")) {
		t.Error("a table without a caption")
	}
	if bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Error("the template refused a value")
	}
	checkNesting(t, page)
}

// checkNesting reads the page as XML, which it is but for its void elements.
func checkNesting(t *testing.T, page []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = true, xml.HTMLAutoClose, xml.HTMLEntity
	page = regexp.MustCompile(`<(meta|link)([^>]*)>`).ReplaceAll(page, []byte("<$1$2/>"))
	d = xml.NewDecoder(bytes.NewReader(page))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the page is not nested well: %v", err)
		}
	}
}

// TestPreparationHasASection, if there was any.
func TestPreparationHasASection(t *testing.T) {
	b, err := os.ReadFile("../testdata/schedules/prepare.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(b), "\n---\n")
	page := pageOf(t, reporttest.Schedule(t, text))
	if !strings.Contains(page, `<h2 id="preparation">Out of service and preparation</h2>`) || !strings.Contains(page, `<th scope="row">b1</th><td class="n">2</td><td class="n">-</td><td class="n">5.0s</td>`) {
		t.Errorf("what failed is not told:\n%s", page)
	}
	other := pageOf(t, reporttest.Labs["5"].Events())
	if strings.Contains(other, `id="preparation"`) {
		t.Error("a section without anything in it")
	}
	// On the timeline, preparing and restoring are no hold; nor is what was prepared in
	// vain before, which the resource was taken for all the same.
	for _, words := range []string{"A prepares, 500ms, 12:00:06 to 12:00:06.500 UTC", "A restores, 1.0s, 12:00:08 to 12:00:09 UTC", "A prepares in vain, 3.0s, 12:00:02 to 12:00:05 UTC", "C prepares in vain, 2.0s, ", "D prepares in vain, 2.0s, ", "being prepared or restored"} {
		if !strings.Contains(page, words) {
			t.Errorf("the timeline does not show %q", words)
		}
	}
	if n := strings.Count(page, " prepares, ") + strings.Count(page, " restores, "); n != 2 {
		t.Errorf("%d bars of preparing and restoring", n)
	}
	if strings.Contains(other, "being prepared") {
		t.Error("the timeline has preparing where there was none")
	}
}

func TestGolden(t *testing.T) {
	page := pageOf(t, reporttest.Labs["5"].Events())
	reporttest.Golden(t, "five.html", []byte(page))
	if again := pageOf(t, reporttest.Labs["5"].Events()); again != page {
		t.Error("the same events gave another page")
	}
}

const pageMax = 2_000_000

func TestStaysSmall(t *testing.T) {
	for name, l := range reporttest.Labs {
		page := pageOf(t, l.Events())
		if len(page) > pageMax {
			t.Errorf("%s requests make a page of %d bytes", name, len(page))
		}
		if name == "10000" && !strings.Contains(page, "32 others") {
			t.Error("nothing says that 32 resources share a row")
		}
	}
}

// TestOfTheWorst has more of everything than is shown, with long and evil names.
func TestOfTheWorst(t *testing.T) {
	evil := func(i int) string {
		return fmt.Sprintf("%d</title></svg><script>alert(1)</script>\"'&\x00\n\u202e板%s", i, strings.Repeat("x", 900))
	}
	var events []eventlog.Event
	begin := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	for i := range 2500 {
		at := begin.Add(time.Duration(i) * 7 * time.Second)
		e := eventlog.Event{Req: fmt.Sprint(i), Host: evil(i % 100), PID: i, Run: eventlog.RunInfo{ID: evil(i % 50), URL: "javascript:alert(1)//" + evil(i)},
			Test: eventlog.TestInfo{Pkg: evil(i % 70), Name: evil(i)}}
		say := func(after time.Duration, f func(*eventlog.Event)) {
			e := e
			e.At = at.Add(after)
			f(&e)
			events = append(events, e)
		}
		key := evil(i / 2)
		req := []eventlog.Requirement{{Name: evil(i / 3), Candidates: []string{key}, Tags: map[string]string{evil(i % 200): evil(i)}}}
		say(0, func(e *eventlog.Event) { e.Ev, e.Reqs = eventlog.Request, req })
		if i%5 == 0 {
			say(5*time.Second, func(e *eventlog.Event) {
				e.Ev, e.Outcome, e.Error, e.WaitedMS = eventlog.Withdraw, eventlog.TimedOut, evil(i), eventlog.MS(5*time.Second)
			})
			continue
		}
		say(0, func(e *eventlog.Event) {
			e.Ev, e.Outcome, e.Chosen = eventlog.Grant, eventlog.Acquired, []eventlog.Chosen{{Key: key, Tags: req[0].Tags}}
		})
		if i%7 != 0 {
			say(6*time.Second, func(e *eventlog.Event) { e.Ev, e.HeldMS = eventlog.Release, eventlog.MS(6*time.Second) })
		}
	}
	page := pageOf(t, events)
	if len(page) > pageMax {
		t.Errorf("%d bytes", len(page))
	}
	if !strings.Contains(page, "others") {
		t.Error("nothing says that something was left out")
	}
}

func TestOfLittle(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one := eventlog.Event{Ev: eventlog.Request, At: at, Req: "1", Test: eventlog.TestInfo{Name: "T"}, Reqs: []eventlog.Requirement{{Name: "b", Candidates: []string{"b1"}}}}
	grant := eventlog.Event{Ev: eventlog.Grant, At: at, Req: "1", Test: one.Test, Chosen: []eventlog.Chosen{{Key: "b1"}}, Outcome: eventlog.Acquired}
	for name, events := range map[string][]eventlog.Event{
		"nothing":            nil,
		"no request":         {{Ev: eventlog.Run, At: at}},
		"one that waits":     {one},
		"a moment":           {one, grant},
		"a hold without end": {one, grant, {Ev: eventlog.Run, At: at.Add(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			page := pageOf(t, events)
			if !strings.Contains(page, "<h1>Lock contention</h1>") {
				t.Error("no title")
			}
		})
	}
}

func TestLinksJobs(t *testing.T) {
	l := table{Caption: "c", Head: []string{"a", "b"}, Words: 1, Rows: [][]string{{"x", "https://ci.example.com/812?a=1&b=2"}, {"y", "javascript:alert(1)"}}}
	var b bytes.Buffer
	if err := pageTemplate().ExecuteTemplate(&b, "rows", l); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `<a href="https://ci.example.com/812?a=1&amp;b=2">`) || strings.Contains(b.String(), `href="javascript`) {
		t.Error(b.String())
	}
}

func TestTimelineBars(t *testing.T) {
	s := timeScale{0, 1000, 0, 1000} // a pixel is a microsecond
	of := func(from, to int64, k holdKind) *hold { return &hold{from: from, to: to, kind: k} }
	for _, c := range []struct {
		name  string
		holds []*hold
		want  string
	}{
		{"apart", []*hold{of(0, 100, 0), of(200, 300, 0)}, "[1×0-100 1×200-300]"},
		{"wide and near stay", []*hold{of(0, 100, 0), of(100, 200, 0)}, "[1×0-100 1×100-200]"},
		{"narrow and near join", []*hold{of(0, 1, 0), of(2, 3, 0), of(4, 5, 0)}, "[3×0-5]"},
		{"narrow and far stay", []*hold{of(0, 1, 0), of(50, 51, 0)}, "[1×0-1 1×50-51]"},
		{"a lost one stays", []*hold{of(0, 1, 0), of(2, 3, heldLost), of(4, 5, 0)}, "[1×0-1 1×2-3 1×4-5]"},
		{"at the same time", []*hold{of(0, 100, 0), of(50, 150, 0), of(100, 200, 0)}, "[1×0-100 1×100-200] [1×50-150]"},
	} {
		var got []string
		for _, lane := range lanes(c.holds, s, 3) {
			var bars []string
			for _, b := range lane {
				bars = append(bars, fmt.Sprintf("%d×%d-%d", b.n, b.from, b.to))
			}
			got = append(got, fmt.Sprint(bars))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: %s, want %s", c.name, g, c.want)
		}
	}
	var many []*hold
	for i := range lanesMax + 1 {
		many = append(many, of(int64(i), 100, 0))
	}
	if lanes(many, s, 3) != nil {
		t.Errorf("%d holders at a time got a lane each", len(many))
	}
}

func TestCurve(t *testing.T) {
	c := newCurve(0, 40, 4)
	for _, s := range []curveStep{{0, 1}, {5, 1}, {10, -1}, {10, 1}, {15, -1}, {25, -1}, {35, 1}} {
		c.add(s.at, s.by)
	}
	means, tops := c.columns()
	// At 10 one ends and one begins: at no moment are there three.
	if fmt.Sprint(means, tops) != "[1.5 1.5 0.5 0.5] [2 2 1 1]" || c.peak() != 2 {
		t.Error(means, tops, c.peak())
	}
	c.low, c.top = 5, 35 // of the first column the last half is known
	if means, _ = c.columns(); fmt.Sprint(means) != "[2 1.5 0.5 0]" {
		t.Error(means)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b", "page")
	h := &Page{Title: "Night <1>", Warning: "input is partial: 1 last line torn"}
	rep, err := report.Fold(reporttest.Sequence(reporttest.Labs["5"].Events()), report.Options{OnRequest: h.Add})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // over an older one
		if err := h.Write(dir, rep); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h1>Night &lt;1&gt;</h1>", "1 last line torn", `href="style.css"`} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("%q is missing", want)
		}
	}
	if err := h.Write(filepath.Join(dir, "index.html"), rep); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// TestTestsOfOneNameAreToldApart has tests of one name in two packages, in every
// table and chart that names tests.
func TestTestsOfOneNameAreToldApart(t *testing.T) {
	events := reporttest.Schedule(t, `
0s  TestSame@p asks b1
0s  TestSame@p gets b1
1s  TestSame@q asks b1
5s  TestSame@p releases
6s  TestSame@q gets b1
8s  TestSame@q loses
9s  TestSame@p asks b1
`)
	for i := range events {
		events[i].Test.Pkg = map[string]string{"p": "example.com/lab", "q": "example.com/rack"}[events[i].Host]
		events[i].Req += events[i].Host
	}
	page := pageOf(t, events)
	if m := regexp.MustCompile(`(?:^|[^.])TestSame[^\n]*`).FindString(page); m != "" {
		t.Errorf("which of the two is %q?", m)
	}
	for _, part := range []string{"Requests that gave up, and leases", "Waits and holds whose end", `id="blame-title"`, `id="timeline-title"`} {
		if _, after, ok := strings.Cut(page, part); !ok || !strings.Contains(after, "lab.TestSame") && !strings.Contains(after, "rack.TestSame") {
			t.Errorf("%s names no test with its package", part)
		}
	}
}

// TestLabelsDiffer: names that are too long lose what they have in common, not what
// tells them apart.
func TestLabelsDiffer(t *testing.T) {
	var c chart
	const common = "TestNightlyRegression/firmware_4.2.1/hardware_in_the_loop/"
	c.fit(common+"bluetooth", common+"wifi", "Test")
	if c.common != "" {
		t.Errorf("%q is said to be common to all", c.common)
	}
	c.fit(common+"bluetooth", common+"blue_light")
	if c.common != common {
		t.Errorf("common to all is %q", c.common)
	}
	c.label(0, common+"bluetooth")
	if got := c.Shapes[0].Text; got != "…bluetooth" || c.Shapes[0].Tip != common+"bluetooth" {
		t.Errorf("%q, with %q", got, c.Shapes[0].Tip)
	}
	// Who has the name of no test is named by the run, and the column is as wide as that.
	who := strings.Repeat("nightly-", 3)
	runs := &report.Report{Holders: []report.HolderGroup{{Holder: report.Holder{Run: who}, Caused: eventlog.MS(time.Second)}}}
	var wide chart
	wide.fit(who)
	if got := blameBars(runs, "blame", chartWidth).Left; got != wide.Left {
		t.Errorf("the column of a run is %v wide, not %v", got, wide.Left)
	}
	// How many others there are is no name.
	rep := &report.Report{}
	for i := range blameRows + 2 {
		rep.Holders = append(rep.Holders, report.HolderGroup{Holder: report.Holder{Test: fmt.Sprint(common, "test_", i)}, Caused: eventlog.MS(time.Second)})
	}
	if bars := blameBars(rep, "blame", chartWidth); bars.common != common+"test_" {
		t.Errorf("of many tests, common to all is %q", bars.common)
	}
	c.label(0, strings.Repeat("x", 40)+"1")
	if got := c.Shapes[1].Text; !strings.HasSuffix(got, "1") || !strings.HasPrefix(got, "x") {
		t.Errorf("%q", got)
	}
	if got := inside("TestNight/job_6", 60); got != "…ht/job_6" {
		t.Errorf("in a bar: %q", got)
	}
}

// TestHoldsAndWaitsOfRuns names the run of each hold, where there are several, and
// draws the waits with their causes.
func TestHoldsAndWaitsOfRuns(t *testing.T) {
	events := reporttest.Schedule(t, `
0s  TestSoak@p asks b1
0s  TestSoak@p gets b1
1s  TestSoak@q asks b1
50s TestSoak@p releases
50s TestSoak@q gets b1
90s TestSoak@q releases
`)
	for i := range events {
		events[i].Run.ID = map[string]string{"p": "monday", "q": "tuesday"}[events[i].Host]
		events[i].Req += events[i].Host
	}
	page := pageOf(t, events)
	for _, want := range []string{"TestSoak of run monday, 50.0s", "TestSoak of run tuesday, 40.0s", `id="waiting-title"`, `fill="url(#p-full)"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	_, waits, _ := strings.Cut(page, `id="waiting-title"`)
	if waits, _, _ = strings.Cut(waits, "</svg>"); strings.Contains(waits, `class="onbar"`) || strings.Contains(waits, `class="onlight"`) {
		t.Error("the bars of the waits repeat the names of their rows")
	}
	css, err := assets.ReadFile("style.css")
	// What lasts is seen to go on where it is cut; a bar that is cut looks like all of it.
	if err != nil || regexp.MustCompile(`svg(\.wide|\[[^}]*)? \{[^}]*min-width`).Match(css) {
		t.Error("a bar has a least width, so that it is cut on a narrow screen")
	}
}

// TestNarrowCharts: on a phone the bars are drawn for that width, with their names, and
// hidden where no style sheet says otherwise; the longest one keeps its part of it.
func TestNarrowCharts(t *testing.T) {
	css, err := assets.ReadFile("style.css")
	_, phone, _ := strings.Cut(string(css), "@media screen and (max-width: 40rem) {")
	if phone, _, _ = strings.Cut(phone, "\n}"); err != nil || !strings.Contains(phone, ".narrow { display: block; }") || !strings.Contains(phone, "svg.wide { display: none !important; }") {
		t.Errorf("on a phone, the narrow charts do not take the place of the wide ones: %v %s", err, phone)
	}
	page := pageOf(t, reporttest.Labs["5"].Events())
	for _, id := range []string{"blame", "by-pool", "by-tag"} {
		wide, narrow := strings.Index(page, `aria-labelledby="`+id+`-title`), strings.Index(page, `aria-labelledby="`+id+`-narrow-title`)
		if wide < 0 || narrow < wide {
			t.Fatalf("%s: no second chart behind the first one", id)
		}
		between := page[wide:narrow]
		if !strings.Contains(between, `<div class="narrow" hidden="hidden">`) {
			t.Errorf("%s: the narrow chart is shown beside the wide one", id)
		}
		if !strings.Contains(page[narrow:narrow+200], `viewBox="0 0 420 `) {
			t.Errorf("%s: %s", id, page[narrow:narrow+200])
		}
	}
	for _, id := range []string{"timeline", "queue"} {
		if !strings.Contains(page, `class="time" aria-labelledby="`+id+`-title`) {
			t.Errorf("%s is squeezed", id)
		}
	}
}

// TestCrowds: many at one time are drawn as columns, whose words and legend are those of
// what is counted.
func TestCrowds(t *testing.T) {
	// Six runs of a test wait at a time: they have no lanes of their own.
	lines := "0s TestSoak asks b1\n0s TestSoak gets b1\n"
	for i := range 6 {
		lines += fmt.Sprintf("1s TestCrowd@p%d asks b1\n", i)
	}
	for i := range 6 {
		lines += fmt.Sprintf("%ds TestCrowd@p%d quits\n", 90+i, i)
	}
	events := reporttest.Schedule(t, lines+"100s TestSoak releases\n")
	for i := range events {
		events[i].Req = events[i].Host
	}
	_, waits, _ := strings.Cut(pageOf(t, events), `id="waiting-title"`)
	waits, _, _ = strings.Cut(waits, "</figure>")
	if !strings.Contains(waits, "6 waits, 6 at most, at ") || strings.Contains(waits, "in use") || !strings.Contains(waits, "many waits at a time") {
		t.Errorf("the waits of a crowd, and their legend, are told as\n%s", waits)
	}

	// Of the resources in the last row, one has six holders at a time: one resource is in use.
	lines = ""
	for i := range timelineRows {
		lines += fmt.Sprintf("0s Test%d asks b%d\n1s Test%d gets b%d\n", i, i, i, i)
	}
	for i := range 6 {
		lines += fmt.Sprintf("1s TestRead%d asks z-staging shared\n1s TestRead%d gets z-staging\n", i, i)
	}
	for i := range 6 {
		lines += fmt.Sprintf("%ds TestRead%d releases\n", 10+i, i)
	}
	for i := range timelineRows {
		lines += fmt.Sprintf("91s Test%d releases\n", i)
	}
	lines += "95s TestLast asks z-other\n95s TestLast gets z-other\n"
	page := pageOf(t, reporttest.Schedule(t, lines+"99s TestLast releases\n"))
	tips := regexp.MustCompile(`([0-9.]+) of 2 in use`).FindAllStringSubmatch(page, -1)
	if len(tips) == 0 {
		t.Fatal("the last row says nothing")
	}
	for _, tip := range tips {
		if n, err := strconv.ParseFloat(tip[1], 64); err != nil || n > 1 {
			t.Errorf("told is %q, and one of them at most is", tip[0])
		}
	}
}

// TestWhatIsKeptHasABar: a board that a test left broken is taken for as long as it is
// kept, and the page shows it.
func TestWhatIsKeptHasABar(t *testing.T) {
	page := pageOf(t, reporttest.Schedule(t, `
0s  TestBoot asks b1
0s  TestBoot gets b1
10s TestBoot releases kept=20s
40s TestSoak asks b1
40s TestSoak gets b1
50s TestSoak releases
`))
	for _, want := range []string{`url(#p-kept)`, "TestBoot, kept after a failure, 20.0s, ", "TestBoot, 10.0s, "} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestStepWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Second: "10s", 30 * time.Second: "30s", 5 * time.Minute: "5m", 20 * time.Minute: "20m", time.Hour: "1h", 24 * time.Hour: "24h",
		500 * time.Millisecond: "500ms", 90 * time.Minute: "1h30m", 10 * time.Microsecond: "10µs",
	} {
		if got := stepWords(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}
