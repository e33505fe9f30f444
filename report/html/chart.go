package html

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A chart is an SVG. Its shapes have presentation attributes only: a page of a CI
// server may not set styles, and may be saved without its style sheet.
type chart struct {
	ID     string
	Title  string
	Desc   string // what a reader who does not see it should know
	W, H   float64
	Left   float64 // where the names on the left end
	common string  // what all names that are too long begin with
	Shapes []shape
	Legend []legend
	Narrow *chart // the same for a screen on which this one would be too small to read
	Time   bool   // time goes from left to right: on such a screen one scrolls
}

// A shape is a rectangle, a line, a path or a text. Attr values are numbers and
// names from this package; only Text and Tip come from events.
type shape struct {
	Kind       string  // "rect", "line", "path", "text"
	X, Y, W, H float64 // of a line, W and H are where it ends
	Fill       string  // id of a pattern, for rect and path
	Class      string
	D          string // of a path
	Anchor     string // of a text: "end", "middle" or start if empty
	Text, Tip  string
}

// N prints a number for SVG. Shape and chart both have it, since the template calls it on
// what it stands at.
func (shape) N(x float64) string { return svgNumber(x) }

func (chart) N(x float64) string { return svgNumber(x) }

// svgNumber has one decimal: a tenth of a pixel is enough, and 10,000 bars count.
func svgNumber(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) { // no number of SVG: one of them spoils the whole path
		x = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// A legend explains a pattern.
type legend struct{ Fill, Text string }

func (c *chart) rect(x, y, w, h float64, fill, tip string) {
	c.Shapes = append(c.Shapes, shape{Kind: "rect", X: x, Y: y, W: w, H: h, Fill: fill, Tip: tip})
}

func (c *chart) line(x1, y1, x2, y2 float64, class string) {
	c.Shapes = append(c.Shapes, shape{Kind: "line", X: x1, Y: y1, W: x2, H: y2, Class: class})
}

func (c *chart) text(x, y float64, anchor, class, s string) {
	c.Shapes = append(c.Shapes, shape{Kind: "text", X: x, Y: y, Anchor: anchor, Class: class, Text: s})
}

// Sizes that all charts share, in units of a page 1000 wide.
const (
	chartWidth  = 1000
	narrowWidth = 420 // about that of a phone, where letters of a chart of 1000 are four pixels high
	leftMost    = 230 // room for names
	leftLeast   = 96  // room for "1234 others" at the end of a list: fit is not told of that row
	charWidth   = 6.6 // of a letter at the size of labels, about: 12, which page.tmpl sets
)

// fit makes room on the left for names.
func (c *chart) fit(names ...string) {
	c.Left = leftLeast
	most := float64(leftMost)
	if c.W == narrowWidth {
		most = narrowWidth / 3 // the bars are what is compared, and have the rest
	}
	for _, n := range names {
		c.Left = min(most, max(c.Left, float64(utf8.RuneCountInString(words.Plain(n)))*charWidth+16))
	}
	c.common = commonBeginning(names)
}

// commonBeginning is what all names begin with, up to the end of a word, if there are
// several.
func commonBeginning(names []string) string {
	if len(names) < 2 {
		return ""
	}
	common := words.Plain(names[0])
	for _, n := range names[1:] {
		n = words.Plain(n)
		for !strings.HasPrefix(n, common) {
			_, size := utf8.DecodeLastRuneInString(common) // whole letters: a part of one is no text
			common = common[:len(common)-size]
		}
	}
	return common[:strings.LastIndexAny(common, " /._-:=")+1]
}

// label puts a name in the column on the left. One that is too long loses what all
// names begin with, which tells nothing, and then its middle.
func (c *chart) label(y float64, name string) {
	full := words.Plain(name)
	n := int((c.Left - 12) / charWidth)
	if rest, ok := strings.CutPrefix(full, c.common); ok && c.common != "" && utf8.RuneCountInString(full) > n {
		full = "…" + rest
	}
	// A third of the room for the beginning and the rest for the end, where names of subtests
	// differ. Of 33 letters, TestNightlyRegression/firmware_4.2.1/wifi becomes
	// TestNightly…n/firmware_4.2.1/wifi.
	if r := []rune(full); len(r) > n {
		full = string(r[:n/3]) + "…" + string(r[len(r)-(n-n/3-1):])
	}
	c.text(c.Left-8, y, "end", "name", full)
	if full != name {
		c.Shapes[len(c.Shapes)-1].Tip = words.Plain(name)
	}
}

// inside cuts a text to what fits into a bar: its end, where names of tests differ;
// nothing, if that would say nothing.
func inside(s string, width float64) string {
	const least = 7 // fewer letters do not tell the test; the tip has the name
	n, r := int(width/charWidth), []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n < least:
		return ""
	}
	return "…" + string(r[len(r)-n+1:])
}

// A timeScale maps moments to x. Moments are microseconds since 1970.
type timeScale struct {
	from, to    int64
	left, right float64
}

func (s timeScale) x(t int64) float64 {
	if s.to <= s.from { // all events are of one moment
		return s.left
	}
	t = min(max(t, s.from), s.to)
	return s.left + (s.right-s.left)*float64(t-s.from)/float64(s.to-s.from)
}

// tickSteps are distances that a reader can add up. From a second on each divides a minute, an
// hour or a day, so that ticks, which stand at multiples since 1970, fall on full ones.
var tickSteps = []time.Duration{
	time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// step is the distance of about n ticks.
func (s timeScale) step(n int) time.Duration {
	window := time.Duration(s.to-s.from) * time.Microsecond
	for _, d := range tickSteps {
		if window/d <= time.Duration(n) {
			return d
		}
	}
	days := window/(24*time.Hour)/time.Duration(n) + 1 // a log of months
	return days * 24 * time.Hour
}

// axis draws the ticks of time from top to bottom, with their words below.
func (c *chart) axis(s timeScale, top, bottom float64) {
	// Seven, as ticks are then 95 apart at the least, and their longest words, 15:04:05.000, take 80.
	step := s.step(7)
	us := step.Microseconds()
	for t := (s.from + us - 1) / us * us; t <= s.to; t += us { // at round times, whenever the events begin
		x := s.x(t)
		c.line(x, top, x, bottom, "grid")
		anchor := "middle"
		if x > s.right-24 { // half of its words would stand outside of the chart
			anchor = "end"
		}
		c.text(x, bottom+14, anchor, "tick", tickWords(t, step))
	}
}

// tickWords is a moment in UTC, as precisely as the distance of ticks needs.
func tickWords(us int64, step time.Duration) string {
	t := time.UnixMicro(us).UTC()
	switch {
	case step >= 24*time.Hour:
		return t.Format("Jan 2")
	case step >= time.Minute:
		if t.Hour() == 0 && t.Minute() == 0 { // the tick that tells which day it is
			return t.Format("Jan 2")
		}
		return t.Format("15:04")
	case step >= time.Second:
		return t.Format("15:04:05")
	case step >= time.Millisecond:
		return t.Format("15:04:05.000")
	}
	return t.Format("05.000000") // there is no room for the hour, which is in the head of the page
}

// moment is a moment in a tip or a table, in UTC; with the day where the window
// has several.
func (s timeScale) moment(us int64) string {
	layout := "15:04:05.000"
	// The length counts as well: a year later it is the same day of the year.
	if time.UnixMicro(s.from).UTC().YearDay() != time.UnixMicro(s.to).UTC().YearDay() || s.to-s.from > (24*time.Hour).Microseconds() {
		layout = "Jan 2 15:04:05.000"
	}
	return strings.TrimSuffix(time.UnixMicro(us).UTC().Format(layout), ".000")
}

// niceMax is the end of an axis of values: 1, 2 or 5 times a power of ten.
func niceMax(v float64) float64 {
	if v <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*1.0000001 { // the product is rounded: what is just the end of an axis needs no longer one
			return m * p
		}
	}
	return 10 * p
}
