package eventlog

import "encoding/json"

// array reads a list of objects, giving each of their fields to field.
func array[T any](d *decoder, field func(key []byte, into *T) error) ([]T, error) {
	var l []T
	err := d.elements(func() error {
		var v T
		err := d.object(func(key []byte) error { return field(key, &v) })
		l = append(l, v)
		return err
	})
	return l, err
}

// elements calls each at the beginning of each element of an array, or never
// for null.
func (d *decoder) elements(each func() error) error {
	if d.null() {
		return nil
	}
	if !d.take('[') {
		return errSyntax
	}
	if d.take(']') {
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if d.take(',') {
			continue
		}
		if d.take(']') {
			return nil
		}
		return errSyntax
	}
}

// object calls field after each name of an object, or never for null; field
// consumes the value.
func (d *decoder) object(field func(key []byte) error) error {
	if d.null() {
		return nil
	}
	if !d.take('{') {
		return errSyntax
	}
	if d.take('}') {
		return nil
	}
	for {
		key, err := d.name()
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		if d.take(',') {
			continue
		}
		if d.take('}') {
			return nil
		}
		return errSyntax
	}
}

func (d *decoder) name() ([]byte, error) {
	raw, plain, err := d.quoted()
	if err != nil {
		return nil, err
	}
	if !plain {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		raw = []byte(`"` + s + `"`)
	}
	if !d.take(':') {
		return nil, errSyntax
	}
	return raw[1 : len(raw)-1], nil
}

// take consumes c, and space before it, if it comes next.
func (d *decoder) take(c byte) bool {
	d.space()
	if d.i < len(d.b) && d.b[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *decoder) space() {
	for d.i < len(d.b) && (d.b[d.i] == ' ' || d.b[d.i] == '\t' || d.b[d.i] == '\n' || d.b[d.i] == '\r') {
		d.i++
	}
}

// skip consumes any value and returns it.
func (d *decoder) skip() ([]byte, error) {
	d.space()
	start := d.i
	if d.i >= len(d.b) {
		return nil, errSyntax
	}
	d.depth++
	defer func() { d.depth-- }()
	var err error
	switch {
	case d.depth > depthMax:
		err = errSyntax
	case d.b[d.i] == '"':
		var raw []byte
		var plain bool
		if raw, plain, err = d.quoted(); err == nil && !plain && !json.Valid(raw) {
			err = errSyntax
		}
	case d.b[d.i] == '{':
		err = d.object(func([]byte) error { _, err := d.skip(); return err })
	case d.b[d.i] == '[':
		err = d.elements(func() error { _, err := d.skip(); return err })
	default:
		err = d.word()
	}
	return d.b[start:d.i], err
}

// word consumes a number, true, false or null.
func (d *decoder) word() error {
	n := 0
	whole := true // most are short whole numbers; the rest is left to the library
	for ; d.i+n < len(d.b); n++ {
		c := d.b[d.i+n]
		if c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			break
		}
		whole = whole && c >= '0' && c <= '9'
	}
	w := d.b[d.i : d.i+n]
	if (!whole || n == 0 || n > 18 || w[0] == '0') && !json.Valid(w) {
		return errSyntax
	}
	d.i += n
	return nil
}
