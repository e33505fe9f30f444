package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// decoder reads lines into events. encoding/json takes 8 µs and 36 allocations
// a line, 8 s for a million; this one knows the fields and remembers strings
// and lists that it has seen, which in a log are nearly all. It reads what
// encoding/json reads, except that names of fields must match in case; a fuzz
// test compares the two.
type decoder struct {
	b     []byte
	i     int
	depth int
	names map[string]string        // strings seen
	lists map[string][]Requirement // values of "reqs" seen
}

const (
	namesMax = 1 << 16 // strings remembered, at most
	nameMax  = 200     // length of those
	listsMax = 1 << 12
	listMax  = 1 << 13
	depthMax = 100 // nesting of values that are skipped
)

var (
	errSyntax  = errors.New("not a JSON object")
	errNewer   = errors.New("of a newer version")
	errTorn    = errors.New("the last line stops in the middle")
	errNoEvent = errors.New("no event: it has no \"ev\"")
)

// decode reads one line. What e refers to is shared with other events.
func (d *decoder) decode(line []byte, e *Event) error {
	*e = Event{}
	d.b, d.i, d.depth = line, 0, 0
	err := d.object(func(key []byte) error { return d.event(key, e) })
	if err == nil {
		if d.space(); d.i != len(d.b) {
			err = errSyntax
		}
	}
	switch {
	case err != nil:
		// A newer version may have changed the type of a field: that is no garbage.
		var head struct{ V int }
		if json.Unmarshal(line, &head) == nil && head.V > Version {
			return errNewer
		}
		return err
	case e.V > Version:
		return errNewer
	case e.Ev == "":
		return errNoEvent
	}
	return nil
}

// requirements remembers whole lists: a suite asks for the same few again and
// again.
func (d *decoder) requirements() ([]Requirement, error) {
	start := d.i
	raw, err := d.skip()
	if err != nil {
		return nil, err
	}
	if l, ok := d.lists[string(raw)]; ok {
		return l, nil
	}
	end := d.i
	d.i = start
	l, err := array(d, d.requirement)
	if err != nil || d.i != end {
		return nil, errors.Join(err, errSyntax)
	}
	if len(raw) <= listMax {
		if d.lists == nil || len(d.lists) >= listsMax {
			d.lists = map[string][]Requirement{}
		}
		d.lists[string(raw)] = l
	}
	return l, nil
}

// text reads a string; one that comes again shares its memory.
func text[T ~string](d *decoder, into *T) error {
	s, err := d.string(true)
	*into = T(s)
	return err
}

// unique reads a string that is not worth remembering.
func (d *decoder) unique() (string, error) { return d.string(false) }

func (d *decoder) string(remember bool) (string, error) {
	if d.null() {
		return "", nil
	}
	raw, plain, err := d.quoted()
	if err != nil {
		return "", err
	}
	if !plain {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	raw = raw[1 : len(raw)-1]
	if !remember || len(raw) > nameMax {
		return string(raw), nil
	}
	if s, ok := d.names[string(raw)]; ok {
		return s, nil
	}
	if d.names == nil || len(d.names) >= namesMax {
		d.names = map[string]string{}
	}
	s := string(raw)
	d.names[s] = s
	return s, nil
}

// quoted scans a string with its quotes. plain: it stands for itself.
func (d *decoder) quoted() (raw []byte, plain bool, err error) {
	d.space()
	if d.i >= len(d.b) || d.b[d.i] != '"' {
		return nil, false, errSyntax
	}
	plain = true
	ascii := true
	for j := d.i + 1; j < len(d.b); j++ {
		switch c := d.b[j]; {
		case c == '"':
			raw = d.b[d.i : j+1]
			d.i = j + 1
			return raw, plain && (ascii || utf8.Valid(raw)), nil
		case c == '\\':
			plain = false
			j++
		case c < 0x20:
			return nil, false, errSyntax
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, errSyntax
}

func (d *decoder) texts() ([]string, error) {
	var l []string
	err := d.elements(func() error {
		var s string
		err := text(d, &s)
		l = append(l, s)
		return err
	})
	return l, err
}

func (d *decoder) tags() (map[string]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string]string{}
	err := d.object(func(key []byte) error {
		k := string(key)
		v, err := d.string(true)
		m[k] = v
		return err
	})
	return m, err
}

func (d *decoder) time() (time.Time, error) {
	if d.null() {
		return time.Time{}, nil
	}
	raw, _, err := d.quoted()
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	err = t.UnmarshalText(raw[1 : len(raw)-1])
	return t, err
}

func (d *decoder) ms() (MS, error) {
	if d.null() {
		return 0, nil
	}
	raw, err := d.number()
	if err != nil {
		return 0, err
	}
	var m MS
	err = m.UnmarshalJSON(raw)
	return m, err
}

func (d *decoder) int() (int, error) {
	if d.null() {
		return 0, nil
	}
	raw, err := d.number()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(raw))
}

func (d *decoder) uint() (uint64, error) {
	if d.null() {
		return 0, nil
	}
	raw, err := d.number()
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(string(raw), 10, 64)
}

func (d *decoder) bool() (bool, error) {
	if d.null() {
		return false, nil
	}
	raw, err := d.skip()
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%w: true or false expected", errSyntax)
}

// number scans a JSON number.
func (d *decoder) number() ([]byte, error) {
	raw, err := d.skip()
	if err != nil {
		return nil, err
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return nil, fmt.Errorf("%w: a number expected", errSyntax)
	}
	return raw, nil
}

// null consumes null, which leaves a field as it is.
func (d *decoder) null() bool {
	d.space()
	if bytes.HasPrefix(d.b[d.i:], []byte("null")) {
		d.i += 4
		return true
	}
	return false
}
