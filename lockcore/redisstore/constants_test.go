package redisstore

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// files are the scripts as they stand in the repository, without comments.
func files(t *testing.T) map[string]string {
	t.Helper()
	comment := regexp.MustCompile(`--.*`)
	out := make(map[string]string)
	err := fs.WalkDir(sources, "lua", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		out[name] = comment.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every word in capitals of the scripts is a constant that Go knows, or is declared by
// a script; every constant is used; and no letter that stands for something has its
// meaning anywhere but in the table.
func TestConstantsStandOnce(t *testing.T) {
	text := regexp.MustCompile(`'[^'\n]*'`)
	declared := map[string]bool{"KEYS": true, "ARGV": true} // by the server
	for _, source := range files(t) {
		for _, line := range regexp.MustCompile(`local ([A-Z_]+(?:, [A-Z_]+)*)`).FindAllStringSubmatch(source, -1) {
			for name := range strings.SplitSeq(line[1], ", ") {
				declared[name] = true
			}
		}
	}
	used := make(map[string]bool)
	letters := map[string]bool{"'L'": true, "'W'": true, "'P'": true, "'C'": true, // kinds of records
		"'x'": true, "'s'": true, "'n'": true, "'m'": true, // modes, as keys.lua has them
		"'p'": true, "'c'": true, "'k'": true, "'v'": true} // members of domains, and a mode of a table
	for name, source := range files(t) {
		for _, word := range inCapitals.FindAllString(text.ReplaceAllString(source, "''"), -1) {
			used[word] = true
			if constants[word] == "" && !declared[word] {
				t.Errorf("%s: nobody knows %s", name, word)
			}
		}
		for _, l := range text.FindAllString(source, -1) {
			if len(l) == 3 && l[1]|0x20 >= 'a' && l[1]|0x20 <= 'z' && !letters[l] {
				t.Errorf("%s: %s stands for something: it belongs to the constants", name, l)
			}
		}
		for _, big := range regexp.MustCompile(`\b\d{5,}\b`).FindAllString(text.ReplaceAllString(source, "''"), -1) {
			if !slices.Contains([]string{"1000000", "2147483646", "2147483647", "16807"}, big) { // of clock.lua and entries.lua
				t.Errorf("%s: %s belongs to the constants", name, big)
			}
		}
	}
	for name := range constants {
		if !used[name] {
			t.Errorf("%s is used nowhere", name)
		}
		if declared[name] {
			t.Errorf("%s is a constant, and a script declares it", name)
		}
	}
}

// What a step knows is declared once, with its meaning; and nothing else is in use.
func TestFieldsOfAStepAreDeclared(t *testing.T) {
	source, err := sources.ReadFile("lua/always/step.lua")
	if err != nil {
		t.Fatal(err)
	}
	begin, rest, _ := strings.Cut(string(source), "local T = {\n")
	if begin == "" || rest == "" {
		t.Fatal("where is T?")
	}
	body, _, _ := strings.Cut(rest, "\n}\n")
	declared := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z_]+) = [^,]+, +-- \S`).FindAllStringSubmatch(body, -1) {
		declared[m[1]] = false
	}
	for name, source := range files(t) {
		for _, m := range regexp.MustCompile(`\bT\.([a-z_]+)`).FindAllStringSubmatch(source, -1) {
			if _, ok := declared[m[1]]; !ok {
				t.Errorf("%s: T.%s is declared nowhere, or without its meaning", path.Base(name), m[1])
			}
			declared[m[1]] = true
		}
	}
	for name, used := range declared {
		if !used {
			t.Errorf("T.%s is used nowhere", name)
		}
	}
}

// Every file is part of the scripts.
func TestEveryFileIsPutIn(t *testing.T) {
	all := [][]string{first, {"history", "entries", "server"}, always, line, unmet, rest}
	for name := range files(t) {
		dir, file := path.Split(strings.TrimSuffix(name, ".lua"))
		if dir == "lua/op/" || file == "solo" || file == "interop" {
			continue
		}
		if !slices.ContainsFunc(all, func(names []string) bool { return slices.Contains(names, file) }) {
			t.Errorf("%s is in no script", name)
		}
	}
}
