package main

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDraw(t *testing.T) {
	var out strings.Builder
	require.NoError(t, draw(&out, strings.NewReader("a <b> & \"c\"\n\n  übrig\nnot shown\n"), "cmd 'x'", 3))
	var lines []string
	d := xml.NewDecoder(strings.NewReader(out.String()))
	for in := false; ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch v := token.(type) {
		case xml.StartElement:
			in = v.Name.Local == "text"
		case xml.CharData:
			if in {
				lines = append(lines, string(v))
			}
		case xml.EndElement:
			in = false
		}
	}
	assert.Equal(t, []string{"$ cmd 'x'", `a <b> & "c"`, "  übrig"}, lines)
}
