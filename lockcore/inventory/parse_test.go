package inventory

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lab = `# the laboratory
pools:
  boards:
    items:
      - {key: board-1, tags: {fw: "4", kind: nrf52}}
      - key: board-2
        tags: {fw: 4.10, revision: 007, spare: yes, made: 2024-01-02}
      - board 3
  licences:
    seats: 5
    items: [simulator]
  staging: {items: []}
`

func TestParse(t *testing.T) {
	v, err := Parse("lab.yml", []byte(lab))
	require.NoError(t, err)
	assert.Equal(t, []string{"boards", "licences", "staging"}, v.Names())
	boards, err := v.Pool("boards")
	require.NoError(t, err)
	assert.Equal(t, &Pool{Name: "boards", Items: []Item{
		{"board-1", map[string]string{"fw": "4", "kind": "nrf52"}},
		// As written: 4.10 is not 4.1, 007 not 7.
		{"board-2", map[string]string{"fw": "4.10", "revision": "007", "spare": "yes", "made": "2024-01-02"}},
		{"board 3", nil},
	}}, boards)
	licences, err := v.Pool("licences")
	require.NoError(t, err)
	assert.Equal(t, 5, licences.Seats)
	_, err = v.Pool("bords")
	assert.EqualError(t, err, `lab.yml has no pool "bords"; it has "boards", "licences", "staging"`)
}

func TestParseJSONAndAnchors(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":           `{"pools": {"boards": {"items": [{"key": "b1", "tags": {"fw": "4"}}, {"key": "b2", "tags": {"fw": "4"}}]}}}`,
		"JSON with tabs": "{\n\t\"pools\": {\n\t\t\"boards\": {\"items\": [{\"key\": \"b1\", \"tags\": {\"fw\": \"4\"}}, {\"key\": \"b2\", \"tags\": {\"fw\": \"4\"}}]}\n\t}\n}",
		"anchors":        "pools:\n  boards:\n    items:\n      - {key: b1, tags: &t {fw: 4}}\n      - {key: b2, tags: *t}\n",
		"BOM and CRLF":   "\ufeffpools:\r\n  boards:\r\n    items:\r\n      - {key: b1, tags: {fw: 4}}\r\n      - {key: b2, tags: {fw: 4}}\r\n",
	} {
		v, err := Parse("lab", []byte(text))
		require.NoError(t, err, name)
		p, err := v.Pool("boards")
		require.NoError(t, err, name)
		tags := map[string]string{"fw": "4"}
		assert.Equal(t, []Item{{"b1", tags}, {"b2", tags}}, p.Items, name)
	}
}

// Every mistake is told with its line.
func TestParseTellsTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "lab.yml is empty: an inventory begins with «pools:»",
		"\n # nothing\n":     "lab.yml is empty: an inventory begins with «pools:»",
		"pools: {}\n---\n{}": "lab.yml:2: a second document begins here; an inventory is one",
		"<!DOCTYPE html>\n<html><body>Not found</body></html>": `lab.yml:1: it is HTML or XML, and no YAML: it begins with "<!DOCTYPE html>"`,
		"Not found":                                                          `lab.yml:1: the inventory must be a mapping, as in «name: value»; it is "Not found"`,
		"pools:\n  boards:\n\titems: []":                                     "lab.yml:3: it is no YAML: found character that cannot start any token",
		"\xff\xfep\x00":                                                      "lab.yml is not UTF-8",
		"pool: {}":                                                           `lab.yml:1: unknown field "pool" of the inventory; known is pools`,
		"pools: [boards]":                                                    "lab.yml:1: pools must be a mapping, as in «name: value»; it is a list",
		"pools:\n  boards:\n    item: []":                                    "lab.yml:3: unknown field \"item\" of pool \"boards\"; known are items and seats\nlab.yml:2: pool \"boards\" has no items: write «items: []» if that is right",
		"pools:\n  boards: []":                                               `lab.yml:2: pool "boards" must be a mapping, as in «name: value»; it is a list`,
		"pools:\n  a b: {items: []}":                                         `lab.yml:2: "a b" cannot be the name of a pool: it must be a word without any of &|!,()/{}*:=`,
		"pools:\n  boards: {items: b1}":                                      `lab.yml:2: items of pool "boards" must be a list; it is "b1"`,
		"pools:\n  l: {seats: -1, items: []}":                                `lab.yml:2: seats of pool "l" must be a whole number, 0 or more; it is "-1"`,
		"pools:\n  l: {seats: two, items: []}":                               `lab.yml:2: seats of pool "l" must be a whole number, 0 or more; it is "two"`,
		"pools:\n  a: {items: []}\n  a: {items: []}":                         `lab.yml:3: "a" stands in pools twice, first on line 2`,
		"pools:\n  a:\n    items: []\n    items: []":                         `lab.yml:4: "items" stands in pool "a" twice, first on line 3`,
		"pools:\n  a:\n    items:\n    - b1\n    - b2\n    - key: b1":        `lab.yml:6: key "b1" stands in pool "a" twice, first on line 4`,
		"pools:\n  a:\n    items:\n    - {tags: {x: y}}":                     `lab.yml:4: item 1 of pool "a" has no key`,
		"pools:\n  a:\n    items:\n    - {key: }":                            `lab.yml:4: the key of item 1 of pool "a" is empty`,
		"pools:\n  a:\n    items:\n    - ''":                                 `lab.yml:4: the key of item 1 of pool "a" is empty`,
		"pools:\n  a:\n    items:\n    - {key: [1]}":                         `lab.yml:4: the key of item 1 of pool "a" must be a word; it is a list`,
		"pools:\n  a:\n    items:\n    - {key: b1, tag: {}}":                 `lab.yml:4: unknown field "tag" of item 1 of pool "a"; known are key and tags`,
		"pools:\n  a:\n    items:\n    - {key: b1, tags: {x: [1]}}":          `lab.yml:4: the tag "x" of item 1 of pool "a" must be a word; it is a list`,
		"pools:\n  a:\n    items:\n    - {key: b1, tags: {x: 1, x: 2}}":      `lab.yml:4: "x" stands in tags of item 1 of pool "a" twice, first on line 4`,
		"pools:\n  a:\n    items: [b1]\n  b:\n    seats: 2\n    items: [b1]": `lab.yml:6: key "b1" has 2 seats in pool "b" and 0 in pool "a" on line 3: a resource has the same seats everywhere`,
	} {
		_, err := Parse("lab.yml", []byte(text))
		assert.EqualError(t, err, want, "%q", text)
	}
}

// All mistakes are told at once, but not a thousand.
func TestParseTellsSeveralMistakes(t *testing.T) {
	_, err := Parse("lab.yml", []byte("pools:\n  a:\n    items:\n"+strings.Repeat("    - {key: b1}\n", 1000)))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, 11)
	assert.Equal(t, "and 989 more mistakes", lines[10])
}

// A resource may stand in several pools.
func TestParseOneKeyInTwoPools(t *testing.T) {
	_, err := Parse("lab.yml", []byte("pools:\n  a: {items: [b1, b2]}\n  b: {items: [b2, b3]}\n"))
	assert.NoError(t, err)
}

// What is huge is refused, also when few bytes stand for much.
func TestParseIsBounded(t *testing.T) {
	_, err := Parse("lab.yml", make([]byte, sizeMax+1))
	assert.ErrorContains(t, err, "larger than 8 MiB")
	var b strings.Builder
	b.WriteString("pools:\n  p0: {items: &a [" + strings.Repeat("{}, ", 1000) + "{}]}\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  p%d: {items: *a}\n", i+1)
	}
	_, err = Parse("lab.yml", []byte(b.String()))
	assert.Error(t, err)
	nested := "a0: &a0 [x]\n"
	for i := range 30 {
		nested += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	_, err = Parse("lab.yml", []byte(nested))
	assert.ErrorContains(t, err, `unknown field "a0"`)
	var keys strings.Builder
	keys.WriteString("pools:\n  a:\n    items:\n")
	for i := range itemsMax + 1 {
		fmt.Fprintf(&keys, "    - b%d\n", i)
	}
	_, err = Parse("lab.yml", []byte(keys.String()))
	assert.EqualError(t, err, fmt.Sprintf("lab.yml:%d: there are more than 100000 items", itemsMax+4))
}

func TestRequirement(t *testing.T) {
	v, err := Parse("lab.yml", []byte(lab))
	require.NoError(t, err)
	ask := func(pool string, n int, shared bool, tags map[string]string) string {
		p, err := v.Pool(pool)
		require.NoError(t, err)
		r, err := p.Requirement(n, shared, tags)
		if err != nil {
			return err.Error()
		}
		return r.String()
	}
	assert.Equal(t, `2 of boards [board-1, board-2, "board 3"]`, ask("boards", 2, false, nil))
	assert.Contains(t, ask("boards", 1, false, map[string]string{"fw": "4"}), "board-1")
	assert.Equal(t, `pool "boards": 2 were asked for, and there is only 1 with fw=4`, ask("boards", 2, false, map[string]string{"fw": "4"}))
	assert.Equal(t, `pool "boards" has no item with fw=9 and kind=x`, ask("boards", 1, false, map[string]string{"fw": "9", "kind": "x"}))
	assert.Equal(t, `pool "boards": 4 were asked for, and there are only 3`, ask("boards", 4, false, nil))
	assert.Equal(t, `pool "boards": 0 of it were asked for; ask for at least 1`, ask("boards", 0, false, nil))
	assert.Equal(t, `pool "staging" has no items`, ask("staging", 1, false, nil))
	assert.Equal(t, `pool "licences" has seats, which cannot be shared: ask for one seat`, ask("licences", 1, true, nil))
	assert.Equal(t, `pool "licences": 6 were asked for, and there are only 5`, ask("licences", 6, false, nil))
}

// No input makes it panic, and what it accepts keeps its promises.
func FuzzParse(f *testing.F) {
	f.Add([]byte(lab))
	f.Add([]byte(`{"pools": {"a": {"seats": 1, "items": ["x"]}}}`))
	f.Add([]byte("pools: &a {a: {items: [*a]}}"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse("x", data)
		if err != nil {
			return
		}
		for _, name := range v.Names() {
			p, err := v.Pool(name)
			if err != nil || p.Seats < 0 {
				t.Fatal(name, err)
			}
			seen := map[string]bool{}
			for _, i := range p.Items {
				if i.Key == "" || seen[i.Key] {
					t.Fatalf("key %q", i.Key)
				}
				seen[i.Key] = true
			}
		}
	})
}

func TestMain(m *testing.M) {
	// A laboratory's own inventory is not the one in these tests.
	os.Unsetenv("RTEST_POOLS")
	os.Exit(m.Run())
}
