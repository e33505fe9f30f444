package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of what is read. A file beyond them is a mistake, or somebody's attempt
// to exhaust the memory of every test.
const (
	sizeMax   = 8 << 20 // bytes
	itemsMax  = 100_000 // in all pools together
	errorsMax = 10      // that are told at once
)

// Parse reads an inventory. name is what errors call it; each of them has the line, and
// all mistakes are told at once, up to ten. An unknown field is a mistake, too:
// otherwise a field that is spelled wrong would be ignored in silence.
func Parse(name string, data []byte) (*Inventory, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty: an inventory begins with «pools:»", name)
	case len(data) > sizeMax:
		return nil, fmt.Errorf("%s is larger than %d MiB, which no inventory is", name, sizeMax>>20)
	case text[0] == '<':
		return nil, fmt.Errorf("%s:1: it is HTML or XML, and no YAML: it begins with %q", name, clip(text))
	case !utf8.Valid(data):
		return nil, fmt.Errorf("%s is not UTF-8", name)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // comments only
		return nil, fmt.Errorf("%s is empty: an inventory begins with «pools:»", name)
	case err != nil:
		return nil, syntax(name, err)
	}
	var second yaml.Node
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document begins here; an inventory is one", name, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, syntax(name, err)
	}
	p := parser{name: name, out: &Inventory{where: name, pools: map[string]*Pool{}}, first: map[string]place{}}
	if len(doc.Content) == 1 {
		p.document(doc.Content[0])
	}
	if len(p.errs) > 0 {
		if more := len(p.errs) - errorsMax; more > 0 {
			p.errs = append(p.errs[:errorsMax:errorsMax], fmt.Errorf("and %d more mistakes", more))
		}
		return nil, errors.Join(p.errs...)
	}
	return p.out, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax gives an error of the library the form of ours.
func syntax(name string, err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rest := strings.TrimPrefix(err.Error(), m[0])
	if m[1] == "" {
		return fmt.Errorf("%s: it is no YAML: %s", name, rest)
	}
	return fmt.Errorf("%s:%s: it is no YAML: %s", name, m[1], rest)
}

// clip is the beginning of a text, for a message.
func clip(text []byte) string {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return string([]rune(string(first))[:min(40, utf8.RuneCount(first))])
}

// place is where a key was first met, and how it is used there.
type place struct {
	pool        string
	line, seats int
}

type parser struct {
	name  string
	out   *Inventory
	errs  []error
	first map[string]place // by key
	items int
}

func (p *parser) wrong(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.name, n.Line, fmt.Sprintf(format, args...)))
}

// fields calls each for the fields of a mapping. What an anchor stands for is
// there as if it were written out; a field that comes twice is told.
func (p *parser) fields(n *yaml.Node, what string, each func(name string, key, value *yaml.Node)) {
	n = meant(n)
	if n.Kind != yaml.MappingNode {
		p.wrong(n, "%s must be a mapping, as in «name: value»; it is %s", what, kind(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := meant(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			p.wrong(k, "a name in %s must be a word; it is %s", what, kind(k))
			continue
		}
		if k.Tag == "!!merge" {
			p.wrong(k, "<< is not known here: write the fields out, or give the whole value an anchor")
			continue
		}
		if line, twice := seen[k.Value]; twice {
			p.wrong(k, "%q stands in %s twice, first on line %d", k.Value, what, line)
			continue
		}
		seen[k.Value] = k.Line
		each(k.Value, k, meant(n.Content[i+1]))
	}
}

// meant follows an alias to what it stands for.
func meant(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "empty"
		}
		return strconv.Quote(clip([]byte(n.Value)))
	}
	return "something else"
}

func (p *parser) document(n *yaml.Node) {
	found := false
	p.fields(n, "the inventory", func(name string, key, value *yaml.Node) {
		if name != "pools" {
			p.wrong(key, "unknown field %q of the inventory; known is pools", name)
			return
		}
		found = true
		if value.Tag == "!!null" {
			return // a laboratory without anything
		}
		p.fields(value, "pools", p.pool)
	})
	if !found && len(p.errs) == 0 {
		p.wrong(n, "the field pools is missing")
	}
}

// notInNames separate the name of a pool from what follows it, in labels and on
// the command line.
const notInNames = "&|!,()/{}*:="

func (p *parser) pool(name string, key, value *yaml.Node) {
	if name == "" || strings.ContainsAny(name, notInNames) ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		p.wrong(key, "%q cannot be the name of a pool: it must be a word without any of %s", name, notInNames)
		return
	}
	pool := &Pool{Name: name}
	p.out.pools[name] = pool
	what := "pool " + strconv.Quote(name)
	var items *yaml.Node
	p.fields(value, what, func(field string, key, value *yaml.Node) {
		switch field {
		case "seats":
			n, err := strconv.Atoi(value.Value)
			if value.Kind != yaml.ScalarNode || err != nil || n < 0 {
				p.wrong(value, "seats of %s must be a whole number, 0 or more; it is %s", what, kind(value))
			}
			pool.Seats = n
		case "items":
			items = value
		default:
			p.wrong(key, "unknown field %q of %s; known are items and seats", field, what)
		}
	})
	switch {
	case items == nil:
		if meant(value).Kind == yaml.MappingNode {
			p.wrong(key, "%s has no items: write «items: []» if that is right", what)
		}
	case items.Kind != yaml.SequenceNode:
		p.wrong(items, "items of %s must be a list; it is %s", what, kind(items))
	default:
		for _, i := range items.Content {
			if p.items++; p.items > itemsMax {
				p.wrong(i, "there are more than %d items", itemsMax)
				return
			}
			p.item(pool, i)
		}
	}
}

func (p *parser) item(pool *Pool, n *yaml.Node) {
	what := fmt.Sprintf("item %d of pool %q", len(pool.Items)+1, pool.Name)
	line := n.Line // of the item where it is listed, also if it is an alias
	n = meant(n)
	var item Item
	at := n
	if n.Kind == yaml.ScalarNode {
		item.Key = p.text(n, "the key of "+what)
	} else {
		found := false
		p.fields(n, what, func(field string, key, value *yaml.Node) {
			switch field {
			case "key":
				found, at, line = true, value, value.Line
				item.Key = p.text(value, "the key of "+what)
			case "tags":
				if value.Tag != "!!null" {
					item.Tags = map[string]string{}
					p.fields(value, "tags of "+what, func(tag string, key, value *yaml.Node) {
						item.Tags[tag] = p.text(value, fmt.Sprintf("the tag %q of %s", tag, what))
					})
				}
			default:
				p.wrong(key, "unknown field %q of %s; known are key and tags", field, what)
			}
		})
		if !found {
			if n.Kind == yaml.MappingNode {
				p.wrong(n, "%s has no key", what)
			}
			pool.Items = append(pool.Items, item) // counts, for the next message
			return
		}
	}
	pool.Items = append(pool.Items, item)
	if item.Key == "" {
		p.wrong(at, "the key of %s is empty", what)
		return
	}
	switch was, known := p.first[item.Key]; {
	case !known:
		p.first[item.Key] = place{pool.Name, line, pool.Seats}
	case was.pool == pool.Name:
		p.wrong(at, "key %q stands in pool %q twice, first on line %d", item.Key, pool.Name, was.line)
	case was.seats != pool.Seats:
		p.wrong(at, "key %q has %d seats in pool %q and %d in pool %q on line %d: a resource has the same seats everywhere", item.Key, pool.Seats, pool.Name, was.seats, was.pool, was.line)
	}
}

// text is a value as it is written: a version 4.10 is not the number 4.1.
func (p *parser) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp"}, n.Tag) {
		p.wrong(n, "%s must be a word; it is %s", what, kind(n))
		return "?"
	}
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
