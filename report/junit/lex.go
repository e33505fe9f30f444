package junit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// An xmlKind is what a piece of an XML file is.
type xmlKind uint8

const (
	xmlText xmlKind = iota
	xmlCDATA
	xmlOther // a comment, processing instruction or document type
	xmlStart
	xmlEmpty // <a/>
	xmlEnd
)

// An xmlToken is a piece of an XML file, by offsets: annotating must not change
// a byte of what is there, so nothing is decoded unless it is compared.
type xmlToken struct {
	kind       xmlKind
	start, end int
	name       []byte // of a tag, with its prefix
}

// errTorn is what the lexer says of a construct without its end.
var errTorn = errors.New("is not closed")

// nextXML reads the piece at i, which is less than len(b). It checks no more
// than it must to find where pieces end: encoding/xml would refuse what real
// producers write (control characters, Latin-1, XML 1.1) and cannot write back
// what it read.
func nextXML(b []byte, i int) (xmlToken, error) {
	t := xmlToken{start: i}
	if b[i] != '<' {
		t.end = len(b)
		if n := bytes.IndexByte(b[i:], '<'); n >= 0 {
			t.end = i + n
		}
		return t, nil
	}
	rest := b[i:]
	for _, c := range []struct {
		kind        xmlKind
		open, close string
	}{{xmlOther, "<!--", "-->"}, {xmlCDATA, "<![CDATA[", "]]>"}, {xmlOther, "<?", "?>"}} {
		if bytes.HasPrefix(rest, []byte(c.open)) {
			n := bytes.Index(rest[len(c.open):], []byte(c.close))
			if n < 0 {
				return t, tornAt(i, c.open)
			}
			t.kind, t.end = c.kind, i+len(c.open)+n+len(c.close)
			return t, nil
		}
	}
	if bytes.HasPrefix(rest, []byte("<!")) {
		n := doctypeEnd(rest)
		if n < 0 {
			return t, tornAt(i, "<!")
		}
		t.kind, t.end = xmlOther, i+n
		return t, nil
	}
	return nextTag(b, t)
}

func tornAt(i int, what string) error {
	return fmt.Errorf("%q at byte %d %w", what, i, errTorn)
}

// nextTag reads a tag; a ">" inside quotes does not end it.
func nextTag(b []byte, t xmlToken) (xmlToken, error) {
	i := t.start + 1
	t.kind = xmlStart
	if i < len(b) && b[i] == '/' {
		t.kind = xmlEnd
		i++
	}
	name := i
	for i < len(b) && !isXMLSpace(b[i]) && b[i] != '>' && b[i] != '/' && b[i] != '<' {
		i++
	}
	t.name = b[name:i]
	if len(t.name) == 0 {
		return t, fmt.Errorf("the \"<\" at byte %d begins no tag", t.start)
	}
	for quote := byte(0); i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return t, tornAt(t.start, "<"+clipped(t.name))
		case c == '>':
			t.end = i + 1
			if t.kind == xmlStart && b[i-1] == '/' {
				t.kind = xmlEmpty
			}
			return t, nil
		}
	}
	return t, tornAt(t.start, "<"+clipped(t.name))
}

// doctypeEnd is the length of a declaration, which may hold others in brackets;
// -1 without an end.
func doctypeEnd(b []byte) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case bytes.HasPrefix(b[i:], []byte("<!--")):
			// An apostrophe in a comment opens nothing.
			n := bytes.Index(b[i+4:], []byte("-->"))
			if n < 0 {
				return -1
			}
			i += 4 + n + 2
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			depth++
		case c == '>':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func isXMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func clipped(b []byte) string {
	if len(b) > 40 {
		b = b[:40]
	}
	return string(b)
}

// local is a name without its prefix.
func (t xmlToken) local() string {
	if i := bytes.IndexByte(t.name, ':'); i >= 0 {
		return string(t.name[i+1:])
	}
	return string(t.name)
}

// prefix is the prefix of a name with its colon, or nothing.
func (t xmlToken) prefix() string { return string(t.name[:bytes.IndexByte(t.name, ':')+1]) }

// attr finds an attribute of a start tag by name and decodes it.
func (t xmlToken) attr(b []byte, name string) (string, bool) {
	s := b[t.start+1+len(t.name) : t.end-1]
	for {
		eq := bytes.IndexByte(s, '=')
		if eq < 0 {
			return "", false
		}
		key := bytes.Trim(s[:eq], " \t\r\n/")
		s = bytes.TrimLeft(s[eq+1:], " \t\r\n")
		if len(s) == 0 || s[0] != '"' && s[0] != '\'' {
			continue // no XML, but no reason to fail either
		}
		end := bytes.IndexByte(s[1:], s[0])
		if end < 0 {
			return "", false
		}
		if string(key) == name {
			return decodeXML(s[1 : 1+end]), true
		}
		s = s[end+2:]
	}
}

// decodeXML resolves character references and the five entities, and reads what
// is no UTF-8 as Latin-1, which is what such files are.
func decodeXML(b []byte) string {
	if !utf8.Valid(b) {
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		b = []byte(string(r))
	}
	if bytes.IndexByte(b, '&') < 0 {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			break
		}
		out.Write(b[:i])
		b = b[i:]
		if end := bytes.IndexByte(b, ';'); end > 0 {
			if s, ok := xmlEntity(string(b[1:end])); ok {
				out.WriteString(s)
				b = b[end+1:]
				continue
			}
		}
		out.WriteByte('&')
		b = b[1:]
	}
	out.Write(b)
	return out.String()
}

func xmlEntity(name string) (string, bool) {
	switch name {
	case "amp":
		return "&", true
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	var r rune
	var err error
	switch {
	case strings.HasPrefix(name, "#x"), strings.HasPrefix(name, "#X"):
		_, err = fmt.Sscanf(name[2:], "%x", &r)
	case strings.HasPrefix(name, "#"):
		_, err = fmt.Sscanf(name[1:], "%d", &r)
	default:
		return "", false
	}
	return string(r), err == nil
}

// encodeXML escapes text for an attribute or an element. Everything beyond ASCII
// becomes a reference, so that it is right in whatever encoding the file has;
// what XML cannot hold becomes U+FFFD.
func encodeXML(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			out.WriteString("&amp;")
		case r == '<':
			out.WriteString("&lt;")
		case r == '>':
			out.WriteString("&gt;")
		case r == '"':
			out.WriteString("&#34;")
		case r >= 0x20 && r < 0x7f:
			out.WriteRune(r)
		case r == '\t' || r == '\n' || r == '\r' || r >= 0x7f && r < 0xD800 || r >= 0xE000 && r < 0xFFFE || r >= 0x10000:
			fmt.Fprintf(&out, "&#x%X;", r)
		default:
			out.WriteString("&#xFFFD;")
		}
	}
	return out.String()
}
