// Package words prints durations, shares and names for people. All reports use it,
// so that a wait of 350 ms looks the same on a terminal, a page and in a trace.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Short words a duration with one to three digits, which is what a reader
// compares.
func Short(m eventlog.MS) string {
	d := m.Duration()
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return "<1ms" // a round trip to the store, not a wait
	case d < time.Second-time.Millisecond/2:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + "ms"
	case d < time.Minute-50*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour-time.Second/2:
		s := int(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	min := int(d.Round(time.Minute) / time.Minute)
	return fmt.Sprintf("%dh%02dm", min/60, min%60)
}

// Percent words a part of 1.
func Percent(x float64) string {
	switch p := 100 * x; {
	case p == 0:
		return "0%"
	case p < 1:
		return "<1%"
	case p > 99 && p < 100:
		return "99%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// Mean words a mean number of things.
func Mean(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// Count words a number of things: 1 test, 2 tests.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if strings.HasSuffix(thing, "s") {
		return fmt.Sprint(n, " ", thing, "es")
	}
	return fmt.Sprint(n, " ", thing, "s")
}

// Visible is a text without a character that a terminal would obey or that moves
// others: such are written as Go writes them, \x1b. Nothing is cut off.
func Visible(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			q := strconv.Quote(s)
			return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
		}
	}
	return s
}

// nameMax bounds names in tables.
const nameMax = 72

// Plain makes a name fit for a line: what a terminal would obey is quoted, what
// is long is cut in the middle, where names differ least.
func Plain(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			s = strconv.Quote(s)
			break
		}
	}
	if s == "" {
		return `""`
	}
	if utf8.RuneCountInString(s) <= nameMax {
		return s
	}
	r := []rune(s)
	return string(r[:nameMax/2]) + "…" + string(r[len(r)-nameMax/2+1:])
}

// Markdown makes a name fit for a cell of a table in Markdown, in all dialects:
// no character of it is markup.
func Markdown(s string) string { return EscapeMarkdown(Plain(s)) }

// EscapeMarkdown is a line of which no character is markup.
func EscapeMarkdown(s string) string { return markdownEscapes.Replace(s) }

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "~", `\~`,
	"#", `\#`, "!", `\!`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "$", `\$`)

// Cut is an error as it can be shown: cut, since it may list a whole lab.
func Cut(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// Difference words a change of a duration.
func Difference(d, of time.Duration) string {
	part := ""
	if of > 0 {
		part = fmt.Sprintf(" (%+.0f%%)", 100*float64(d)/float64(of))
	}
	switch {
	case Short(eventlog.MS(d.Abs())) == "0":
		return "just as long"
	case d < 0:
		return Short(eventlog.MS(-d)) + " less" + part
	}
	return Short(eventlog.MS(d)) + " more" + part
}

// Portion is what part of b a is, from 0 to 1; 0 of nothing.
func Portion(a, b eventlog.MS) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
