package junit

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A junitFile is where things are in a JUnit file.
type junitFile struct {
	suites []*elem
	cases  []*elem
}

// A elem is a testsuite or a testcase.
type elem struct {
	tag        xmlToken
	name       string
	class, pkg string // attributes classname and package
	suite      *elem
	bodyEnd    int // where the end tag begins; tag.end of an empty element

	// props is the first properties element, the only one that Jenkins reads.
	props     *xmlToken
	propsEnd  int               // where its end tag begins
	propEnd   int               // after its last property; 0 without one
	values    map[string]string // of all properties; the last of a name wins, as everywhere
	pairs     map[string]bool   // values of the properties named "attribute"
	out       *xmlToken         // the first system-out
	state     state             // how it ended
	reqs      []string          // what rtest.req says, as property or as a line of output
	firstText []byte            // white space after the start tag
}

// errNotAnnotated is why a file is handed back as it came.
var errNotAnnotated = errors.New("left as it is")

// parse finds the suites and testcases. An error means that the file is not
// understood well enough to insert something at the right place.
func parse(b []byte) (*junitFile, error) {
	switch {
	case len(bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return nil, errors.New("it is compressed; unpack it with gunzip")
	}
	if err := checkEncoding(b); err != nil {
		return nil, err
	}
	p := junitParser{b: b, file: &junitFile{}}
	for i := 0; i < len(b); {
		t, err := nextXML(b, i)
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case xmlStart, xmlEmpty:
			p.open(t)
		case xmlEnd:
			if err := p.close(t); err != nil {
				return nil, err
			}
		case xmlText, xmlCDATA:
			p.text(t)
		}
		i = t.end
	}
	if len(p.stack) > 0 {
		return nil, tornAt(p.stack[len(p.stack)-1].tag.start, "<"+clipped(p.stack[len(p.stack)-1].tag.name))
	}
	if !p.isJUnit {
		return nil, errors.New("it is no JUnit file: it has no testsuites, no testsuite and no testcase")
	}
	return p.file, nil
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]*\bencoding\s*=\s*["']([^"']*)["']`)

// checkEncoding refuses encodings in which a byte "<" need not be one, or in
// which inserted ASCII would be something else.
func checkEncoding(b []byte) error {
	head := b[:min(len(b), 200)]
	enc := ""
	switch m := xmlEncoding.FindSubmatch(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))); {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")),
		bytes.HasPrefix(b, []byte("<\x00")), bytes.HasPrefix(b, []byte("\x00")):
		enc = "UTF-16 or UTF-32"
	case m != nil:
		enc = string(m[1])
	}
	low := strings.ToLower(enc)
	for _, bad := range []string{"utf-16", "utf16", "utf-32", "utf32", "utf-7", "ucs-", "iso-10646", "iso-2022", "hz-", "ebcdic", "cp037", "ibm"} {
		if strings.HasPrefix(low, bad) {
			return fmt.Errorf("its encoding, %s, does not keep ASCII as it is; convert it to UTF-8", enc)
		}
	}
	return nil
}

// A junitFrame is an open element.
type junitFrame struct {
	tag  xmlToken
	elem *elem  // if it is a suite or a testcase
	own  bool   // it is the element's first properties or its system-out
	prop string // name of an open property without a value attribute
}

type junitParser struct {
	b     []byte
	file  *junitFile
	stack []junitFrame
	value strings.Builder // text of the open property
	fresh *elem           // nothing has come after its start tag yet

	isJUnit bool // an element of a JUnit file was met
}

// elem is the innermost suite or testcase, up levels above the top of the stack
// or nil if that is something else.
func (p *junitParser) elem(up int) *elem {
	if i := len(p.stack) - 1 - up; i >= 0 {
		return p.stack[i].elem
	}
	return nil
}

// within is the innermost suite or testcase at any distance.
func (p *junitParser) within() *elem {
	for i := len(p.stack) - 1; i >= 0; i-- {
		if e := p.stack[i].elem; e != nil {
			return e
		}
	}
	return nil
}

// open handles a start tag or an empty element.
func (p *junitParser) open(t xmlToken) {
	p.fresh = nil
	f := junitFrame{tag: t}
	parent := p.elem(0)
	switch t.local() {
	case "testsuites":
		p.isJUnit = true
	case "testsuite":
		p.isJUnit = true
		f.elem = p.newElem(t)
		p.file.suites = append(p.file.suites, f.elem)
	case "testcase":
		p.isJUnit = true
		f.elem = p.newElem(t)
		f.elem.state = passed // unless something in it says otherwise
		p.file.cases = append(p.file.cases, f.elem)
	case "failure", "error":
		if parent != nil {
			parent.state = failed
		}
	case "skipped":
		if parent != nil && parent.state != failed {
			parent.state = skipped
		}
	case "properties":
		if parent != nil && parent.props == nil {
			parent.props, f.own = &t, true
			parent.propsEnd = t.end
		}
	case "system-out":
		if parent != nil && parent.out == nil {
			parent.out = &t
		}
	case "property":
		p.property(&f)
	}
	if t.kind == xmlStart {
		p.stack = append(p.stack, f)
	}
}

func (p *junitParser) newElem(t xmlToken) *elem {
	e := &elem{tag: t, bodyEnd: t.end, suite: p.within()}
	e.name, _ = t.attr(p.b, "name")
	e.class, _ = t.attr(p.b, "classname")
	e.pkg, _ = t.attr(p.b, "package")
	if t.kind == xmlStart {
		p.fresh = e
	}
	return e
}

// property reads a property of a suite or testcase: its value is an attribute
// or its text.
func (p *junitParser) property(f *junitFrame) {
	e := p.elem(1)
	if e == nil || p.stack[len(p.stack)-1].tag.local() != "properties" {
		return
	}
	name, _ := f.tag.attr(p.b, "name")
	if f.tag.kind == xmlEmpty && p.stack[len(p.stack)-1].own {
		e.propEnd = f.tag.end
	}
	if v, ok := f.tag.attr(p.b, "value"); ok || f.tag.kind == xmlEmpty {
		e.setProperty(name, v)
		return
	}
	f.prop = name
	p.value.Reset()
}

func (e *elem) setProperty(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	e.values[name] = value
	switch name {
	case "rtest.req":
		e.reqs = append(e.reqs, splitReqs(value)...)
	case "attribute":
		if e.pairs == nil {
			e.pairs = map[string]bool{}
		}
		e.pairs[value] = true
	}
}

// splitReqs reads a list of request identities; Ginkgo writes values as JSON, so
// there may be quotes around it.
func splitReqs(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n\"'[]", r) })
}

// close handles an end tag.
func (p *junitParser) close(t xmlToken) error {
	if len(p.stack) == 0 {
		return fmt.Errorf("the end tag %q at byte %d has no start tag", clipped(t.name), t.start)
	}
	f := p.stack[len(p.stack)-1]
	if !bytes.Equal(f.tag.name, t.name) {
		return fmt.Errorf("the end tag %q at byte %d does not match %q at byte %d", clipped(t.name), t.start, clipped(f.tag.name), f.tag.start)
	}
	p.stack = p.stack[:len(p.stack)-1]
	p.fresh = nil
	switch parent := p.elem(0); {
	case f.elem != nil:
		f.elem.bodyEnd = t.start
	case f.own && parent != nil:
		parent.propsEnd = t.start
	case t.local() == "property":
		e := p.elem(1)
		if e == nil || p.stack[len(p.stack)-1].tag.local() != "properties" {
			break
		}
		if p.stack[len(p.stack)-1].own {
			e.propEnd = t.end
		}
		if f.prop != "" {
			e.setProperty(f.prop, p.value.String())
		}
	}
	return nil
}

// text handles text and CDATA.
func (p *junitParser) text(t xmlToken) {
	raw := p.b[t.start:t.end]
	if p.fresh != nil {
		// The white space that sets off children is copied for inserted ones.
		if len(bytes.TrimLeft(raw, " \t\r\n")) == 0 && t.kind == xmlText {
			p.fresh.firstText = raw
		}
		p.fresh = nil
	}
	if len(p.stack) == 0 {
		return
	}
	if p.stack[len(p.stack)-1].prop != "" {
		if t.kind == xmlCDATA {
			p.value.Write(raw[len("<![CDATA[") : len(raw)-len("]]>")])
		} else {
			p.value.WriteString(decodeXML(raw))
		}
		return
	}
	p.attrLines(t.kind, raw)
}

var attrLine = regexp.MustCompile(`=== ATTR\s+(\S+)\s+rtest\.req[ \t]+([^\r\n]+)`)

// attrLines finds what t.Attr printed: producers that read the plain output of
// go test, such as go-junit-report, leave it there.
func (p *junitParser) attrLines(kind xmlKind, raw []byte) {
	if !bytes.Contains(raw, []byte("=== ATTR")) {
		return
	}
	e := p.within()
	if e == nil || e.tag.local() != "testcase" {
		return
	}
	text := string(bytes.TrimSuffix(raw, []byte("]]>")))
	if kind == xmlText {
		text = decodeXML(raw)
	}
	for _, m := range attrLine.FindAllStringSubmatch(text, -1) {
		// The output of a test can hold that of its subtests.
		if m[1] == e.name {
			e.reqs = append(e.reqs, splitReqs(m[2])...)
		}
	}
}
