package rtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// pool is where the items of a Requirement come from. It is shared by all
// values that differ only in how much of it they want, and never changes.
type pool[T any] struct {
	items    []T
	discover func(context.Context) ([]T, error)
	dynamic  bool
	key      func(T) string
	tags     func(T) map[string]string
	where    []func(T) bool
	seatsOf  func(T) int // how many each item has, where an inventory says so; else nil
	mistake  string      // of a method that was given nothing

	once   sync.Once // of what does not change between calls
	static *keyed[T]
	err    error
}

// keyed are items with their keys, the same index in both.
type keyed[T any] struct {
	items []T
	cands []lockcore.Candidate
	// Made at the first call: a test that never needs them does not pay.
	byKey  func() map[string]T
	names  func() []string
	common func() map[string]string // tags that all items have
}

// keyed works out the keys: once if the items are given, so that a pool of
// 10,000 costs no more than one of 10 from the second Acquire on.
func (p *pool[T]) keyed(ctx context.Context, label func(int) string) (*keyed[T], error) {
	if p.mistake != "" {
		return nil, fmt.Errorf("%s: %s", label(-1), p.mistake)
	}
	if p.dynamic {
		if p.discover == nil {
			return nil, fmt.Errorf("%s: Discover was given no function", label(-1))
		}
		items, err := p.discover(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: its discovery failed: %w", label(-1), err)
		}
		return p.name(items, label)
	}
	p.once.Do(func() {
		p.err = fmt.Errorf("%s: its Key, Tags or Where function panicked", label(len(p.items))) // unless it returns
		p.static, p.err = p.name(p.items, label)
	})
	return p.static, p.err
}

// name gives every wanted item its key. A mistake names the item by its place in
// the list, as its key is what is in question.
func (p *pool[T]) name(items []T, label func(int) string) (*keyed[T], error) {
	k := &keyed[T]{}
	// lockcore looks for duplicates too, but later, and only knows keys.
	seen := make(map[string]int, len(items))
	// Strings are never nil, and there may be 10,000 of them.
	nilable := slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Interface, reflect.Map, reflect.Func, reflect.Chan}, reflect.TypeFor[T]().Kind())
	for i, item := range items {
		if nilable && absent(item) {
			return nil, fmt.Errorf("%s: item %d is nil", label(len(items)), i+1)
		}
		if !p.wanted(item) {
			continue
		}
		key, err := p.keyOf(item)
		if err != nil {
			return nil, fmt.Errorf("%s: item %d: %w", label(len(items)), i+1, err)
		}
		if first, twice := seen[key]; twice {
			return nil, fmt.Errorf("%s: items %d and %d have the same key %q; keys must be unique", label(len(items)), first, i+1, key)
		}
		seen[key] = i + 1
		c := lockcore.Candidate{Key: key}
		if p.tags != nil {
			c.Tags = p.tags(item)
		}
		k.items = append(k.items, item)
		k.cands = append(k.cands, c)
	}
	k.byKey = sync.OnceValue(func() map[string]T {
		m := make(map[string]T, len(k.items))
		for i, c := range k.cands {
			m[c.Key] = k.items[i]
		}
		return m
	})
	k.names = sync.OnceValue(func() []string {
		names := make([]string, len(k.cands))
		for i, c := range k.cands {
			names[i] = c.Key
		}
		return names
	})
	k.common = sync.OnceValue(func() map[string]string {
		var common map[string]string
		for i, c := range k.cands {
			if i == 0 {
				common = maps.Clone(c.Tags)
			}
			maps.DeleteFunc(common, func(tag, value string) bool { v, ok := c.Tags[tag]; return !ok || v != value })
		}
		return common
	})
	return k, nil
}

// wanted is true if no Where refuses the item.
func (p *pool[T]) wanted(item T) bool {
	for _, f := range p.where {
		if !f(item) {
			return false
		}
	}
	return true
}

// keyOf is the key, which Key decides if it was called: the user has looked at
// the item and knows better than its methods, which were made for other ends.
func (p *pool[T]) keyOf(item T) (string, error) {
	key, ok := "", true
	if p.key != nil {
		key = p.key(item)
	} else {
		key, ok = ownKey(item)
	}
	switch kind := reflect.TypeFor[T]().Kind(); {
	case !ok && (kind == reflect.Slice || kind == reflect.Array):
		return "", fmt.Errorf("a %s has no key; if its elements are meant to be the items, write R(list...)", reflect.TypeFor[T]())
	case !ok:
		return "", fmt.Errorf("a %[1]s has no key: give it a method ResourceKey() string, or use .Key(func(x %[1]s) string { ... })", reflect.TypeFor[T]())
	case key == "":
		return "", errors.New("its key is empty")
	case !utf8.ValidString(key):
		// Stores and event files are JSON, where such keys would lose their difference.
		return "", fmt.Errorf("its key %s is not valid UTF-8", strconv.QuoteToASCII(key))
	}
	return key, nil
}

// ownKey is what an item calls itself. A method of the pointer counts too:
// whether a pool holds boards or pointers to boards should not matter.
func ownKey[T any](item T) (key string, ok bool) {
	if s, ok := any(item).(string); ok {
		return s, true
	}
	v := reflect.ValueOf(any(item))
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", false
	}
	type keyer interface{ ResourceKey() string }
	for _, x := range []any{item, &item} {
		if k, ok := x.(keyer); ok {
			return k.ResourceKey(), true
		}
	}
	for _, x := range []any{item, &item} {
		if s, ok := x.(fmt.Stringer); ok {
			return s.String(), true
		}
	}
	if v.Kind() == reflect.String {
		return v.String(), true // type Board string
	}
	return "", false
}

// areOnly continues "there".
func areOnly(n int, one, many string) string {
	if n == 1 {
		return "is only 1 " + one
	}
	return fmt.Sprintf("are only %d %s", n, many)
}
