package words

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func TestNamesCannotTalkToTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"TestA/b_c":     "TestA/b_c",
		"a\x1b[31mred":  `"a\x1b[31mred"`,
		"two\nlines":    `"two\nlines"`,
		"bad\xffutf8":   `"bad\xffutf8"`,
		"":              `""`,
		"Prüfung 測試":    "Prüfung 測試",
		"right\u202eto": `"right\u202eto"`,
	} {
		if got := Plain(in); got != want {
			t.Errorf("plain(%q) is %s; want %s", in, got, want)
		}
	}
	if got := Plain(strings.Repeat("ü", 500)); utf8.RuneCountInString(got) != nameMax {
		t.Errorf("a long name has %d runes", utf8.RuneCountInString(got))
	}
	if got := Markdown("a|b`c*d_e[f](g)<h>&#i\n"); strings.ContainsAny(strings.NewReplacer(`\|`, "", "\\`", "", `\*`, "", `\_`, "", `\[`, "", `\]`, "", `\#`, "").Replace(got), "|`*_[]<>#\n") {
		t.Errorf("markdown leaves markup: %s", got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 250 * time.Microsecond: "<1ms", 3 * time.Millisecond: "3ms", 350400 * time.Microsecond: "350ms", 999700 * time.Microsecond: "1.0s",
		4700 * time.Millisecond: "4.7s", 59960 * time.Millisecond: "1m00s", 11*time.Minute + 40*time.Second: "11m40s",
		59*time.Minute + 59700*time.Millisecond: "1h00m", 25*time.Hour + 5*time.Minute: "25h05m",
	} {
		if got := Short(eventlog.MS(d)); got != want {
			t.Errorf("%v is %s; want %s", d, got, want)
		}
	}
	for x, want := range map[float64]string{0: "0%", 0.004: "<1%", 0.94: "94%", 0.9999: "99%", 1: "100%"} {
		if got := Percent(x); got != want {
			t.Errorf("%v is %s; want %s", x, got, want)
		}
	}
}

func TestNaturalCompare(t *testing.T) {
	want := []string{"", "board", "board-1", "board-02", "board-2a", "board-10", "board-10b", "boards"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, NaturalCompare)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
