// Terminalsvg draws what a command prints as a picture of a terminal, for pages
// that show SVG but run no program. It reads the text from standard input:
//
//	rtest-report summary night.jsonl | go run ./examples/internal/terminalsvg -title 'rtest-report summary night.jsonl' >summary.svg
package main

//go:generate sh -c "cd ../../.. && go run ./cmd/rtest-report run -- go test -count=1 ./examples/... | grep -v -e ^ok -e ^? | go run ./examples/internal/terminalsvg -lines 26 -title 'go tool rtest-report run -- go test ./...' >.github/summary.svg"

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

func main() {
	title := flag.String("title", "", "the command line to show above the text")
	most := flag.Int("lines", 24, "how many lines to show")
	flag.Parse()
	if err := draw(os.Stdout, os.Stdin, *title, *most); err != nil {
		fmt.Fprintln(os.Stderr, "terminalsvg:", err)
		os.Exit(1)
	}
}

// The size of a character is that of the monospaced fonts that browsers choose at
// 13 px; textLength then holds a line to it where a font differs.
const (
	charWidth, lineHeight = 7.8, 18.0
	margin                = 16.0
)

// draw writes the picture. Spaces are kept by xml:space, and each line has its
// length, so that columns stay below each other in any font.
func draw(w io.Writer, r io.Reader, title string, most int) error {
	lines := []string{"$ " + title}
	text := bufio.NewScanner(r)
	for text.Scan() && len(lines) <= most {
		lines = append(lines, text.Text())
	}
	if err := text.Err(); err != nil {
		return err
	}
	widest := 0
	for _, l := range lines {
		widest = max(widest, utf8.RuneCountInString(l))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">`+"\n",
		float64(widest)*charWidth+2*margin, float64(len(lines))*lineHeight+2*margin)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" rx="8" fill="#1b1f24"/>`)
	for i, l := range lines {
		n := utf8.RuneCountInString(l)
		if n == 0 {
			continue
		}
		color := "#d0d7de"
		if i == 0 {
			color = "#7ee787"
		}
		fmt.Fprintf(&b, `<text x="%g" y="%.0f" fill="%s" xml:space="preserve" textLength="%.1f">`, margin, margin+13+float64(i)*lineHeight, color, float64(n)*charWidth)
		if err := xml.EscapeText(&b, []byte(l)); err != nil {
			return err
		}
		fmt.Fprintln(&b, `</text>`)
	}
	fmt.Fprintln(&b, `</svg>`)
	_, err := w.Write(b.Bytes())
	return err
}
