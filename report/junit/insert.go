package junit

import (
	"bytes"
	"slices"
	"strings"
)

// An insertion is text that goes before the byte at an offset.
type insertion struct {
	at   int
	text string
}

// splice inserts. Insertions at one offset keep their order.
func splice(in []byte, ins []insertion) []byte {
	if len(ins) == 0 {
		return in
	}
	slices.SortStableFunc(ins, func(a, b insertion) int { return a.at - b.at })
	n := len(in)
	for _, i := range ins {
		n += len(i.text)
	}
	out := make([]byte, 0, n)
	at := 0
	for _, i := range ins {
		out = append(append(out, in[at:i.at]...), i.text...)
		at = i.at
	}
	return append(out, in[at:]...)
}

// insertProperties puts properties into the element's first properties element,
// or a new one before everything else, which is where most producers have it;
// and output, if any, into a new system-out at its end. An element is made with
// its end tag, as encoding/xml would.
func insertProperties(in []byte, e *elem, ps []property, output string) []insertion {
	if len(ps) == 0 && output == "" {
		return nil
	}
	prefix := e.tag.prefix() // of a namespace, which then is the one of all of them
	tail := ""
	if output != "" {
		tail = "<" + prefix + "system-out>" + encodeXML(output) + "</" + prefix + "system-out>"
	}
	if e.tag.kind == xmlEmpty {
		return fillEmpty(e, prefix, ps, tail)
	}
	var ins []insertion
	if tail != "" {
		ins = append(ins, insertion{e.bodyEnd, tail})
	}
	if len(ps) == 0 {
		return ins
	}
	if e.props != nil {
		return append(ins, addToProperties(in, e, prefix, ps)...)
	}
	text := string(e.firstText) + "<" + prefix + "properties>" + joinProperties(prefix, ps, "") + "</" + prefix + "properties>"
	return append(ins, insertion{e.tag.end, text})
}

// fillEmpty opens <testcase/> without changing a byte of it: its "/>" becomes the
// end of the last element that is put inside.
func fillEmpty(e *elem, prefix string, ps []property, tail string) []insertion {
	before, after := e.tag.end-len("/>"), e.tag.end
	end := tail + "</" + string(e.tag.name) + ">"
	if len(ps) == 0 {
		return []insertion{{before, ">" + tail + "<" + prefix + "system-err"}, {after, "</" + string(e.tag.name) + ">"}}
	}
	open := "><" + prefix + "properties>" + joinProperties(prefix, ps[:len(ps)-1], "") + openProperty(prefix, ps[len(ps)-1])
	return []insertion{{before, open}, {after, "</" + prefix + "properties>" + end}}
}

// addToProperties appends to a properties element.
func addToProperties(in []byte, e *elem, prefix string, ps []property) []insertion {
	t := e.props
	if t.kind == xmlEmpty {
		last := len(ps) - 1
		return []insertion{
			{t.end - len("/>"), ">" + joinProperties(prefix, ps[:last], "") + openProperty(prefix, ps[last])},
			{t.end, "</" + string(t.name) + ">"},
		}
	}
	// Set off like the first one.
	space := in[t.end:e.propsEnd]
	space = space[:len(space)-len(bytes.TrimLeft(space, " \t\r\n"))]
	at := e.propEnd
	if at == 0 {
		at, space = t.end, nil
	}
	return []insertion{{at, joinProperties(prefix, ps, string(space))}}
}

func joinProperties(prefix string, ps []property, space string) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(space)
		b.WriteString(openProperty(prefix, p))
		b.WriteString("></" + prefix + "property>")
	}
	return b.String()
}

// openProperty is a start tag without its end.
func openProperty(prefix string, p property) string {
	return "<" + prefix + `property name="` + encodeXML(p.name) + `" value="` + encodeXML(p.value) + `"`
}
