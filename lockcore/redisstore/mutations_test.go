package redisstore

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A mutant is the scripts with one change: a number that is another one, a comparison
// that is another one, an "and" that is an "or". Whatever the tests do not notice may
// as well be wrong.
type mutant struct {
	file string // or "constants"
	n    int    // of the mutants of the file: a comment more does not change it
	at   int    // where in the file
	line int
	old  string // or the name of the constant
	new  string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%s:%s", m.file, m.n, m.old, m.new)
}

// In a process of its own, that is one mutant: REDISSTORE_MUTANT says which.
func init() {
	f := strings.SplitN(os.Getenv("REDISSTORE_MUTANT"), ":", 4)
	if len(f) < 4 {
		return
	}
	if f[0] == "constants" {
		constants[f[2]] = f[3]
	}
	mutated = func(name, text string) string {
		if name != f[0] {
			return text
		}
		n, _ := strconv.Atoi(f[1])
		m := mutantsOf(name, text)[n]
		if m.old != f[2] {
			panic("the file has changed")
		}
		return text[:m.at] + m.new + text[m.at+len(m.old):]
	}
}

// noDifference is a comment about all changes on a line, or about those of some words.
var noDifference = regexp.MustCompile(`no difference(?: of ([^:]+))?: (.*)`)

// explanation is why nobody can notice a change on the line.
func explanation(m mutant) string {
	if m.file == "constants" {
		return unnoticed[m.old]
	}
	text, _ := sources.ReadFile(m.file)
	lines := strings.Split(string(text), "\n")
	for n := m.line - 1; n >= 0; n-- {
		if n < m.line-1 && !strings.HasPrefix(strings.TrimSpace(lines[n]), "--") {
			break // only the comment right above the line: what stands beside another line is about that one
		}
		if why := noDifference.FindStringSubmatch(lines[n]); why != nil && (why[1] == "" || slices.Contains(strings.Split(why[1], ", "), m.old)) {
			return why[2]
		}
	}
	return ""
}

// unnoticed are constants that may be a little more or less.
var unnoticed = map[string]string{
	"FEW_ARGUMENTS":   "in one call or in several",
	"FEW_MEMBERS":     "one more goes the short way, or the long one",
	"SWEEP_EVERY":     "sooner or later",
	"TESTS_KEPT":      "a few tests more or less",
	"TOKEN_KEPT":      "any time beyond the longest TTL",
	"LIST_KEPT_MS":    "an hour or so",
	"RANK_SHIFT":      "any that makes ranks positive",
	"REPLY_KEPT_MS":   "a minute or so",
	"ENDING_RELEASED": "no client sends it and no record has it: any number that is no other ending will do",
	"LONG_LIST":       "a list of 64 candidates stays registered, or not",
}

// mutantsOfConstants have a number less, or half a percent.
func mutantsOfConstants() (out []mutant) {
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		n, err := strconv.ParseInt(constants[name], 10, 64)
		if err != nil {
			continue // a letter: Go and Lua have it from one place
		}
		out = append(out, mutant{file: "constants", old: name, new: strconv.FormatInt(n-max(1, n/180), 10)})
	}
	return out
}

func mutantsOfFiles(t *testing.T) (out []mutant) {
	for _, name := range sourceNames() {
		text, err := sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, mutantsOf(name, string(text))...)
	}
	return out
}

// sourceNames are the files of the scripts.
func sourceNames() []string {
	names, _ := fs.Glob(sources, "lua/*/*.lua")
	return names
}

var swapped = map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "~=", "~=": "==", "and": "or", "or": "and"}

// mutantsOf reads Lua word by word.
func mutantsOf(name, text string) (out []mutant) {
	is := func(b byte, set string) bool { return strings.IndexByte(set, b) >= 0 }
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
	line := 1
	for i := 0; i < len(text); {
		j := i + 1
		switch b := text[i]; {
		case b == '\n':
			line++
		case strings.HasPrefix(text[i:], "--"):
			for j < len(text) && text[j] != '\n' {
				j++
			}
		case b == '\'':
			for text[j] != '\'' {
				if text[j] == '\\' {
					j++
				}
				j++
			}
			j++
		case is(b, letters):
			for j < len(text) && is(text[j], letters) {
				j++
			}
		case is(b, "<>=~"):
			if text[j] == '=' {
				j++
			}
		}
		word := text[i:j]
		with := swapped[word]
		if n, err := strconv.Atoi(word); err == nil && is(word[0], digits) {
			with = strconv.Itoa(n + 1)
		}
		if with != "" {
			out = append(out, mutant{name, len(out), i, line, word, with})
		}
		i = j
	}
	return out
}

// A comment that explains changes of some words stands on a line that has these words.
func TestExplanations(t *testing.T) {
	changes := make(map[string]bool) // "file:line: word"
	for _, m := range mutantsOfFiles(t) {
		changes[fmt.Sprintf("%s:%d: %s", m.file, m.line, m.old)] = true
	}
	for _, name := range sourceNames() {
		text, err := sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			why := noDifference.FindStringSubmatch(line)
			if why == nil || why[1] == "" {
				continue
			}
			for word := range strings.SplitSeq(why[1], ", ") {
				if at := fmt.Sprintf("%s:%d: %s", name, n, word); !changes[at] {
					t.Errorf("%s: no such word is changed there", at)
				}
			}
		}
	}
}
