package resourcelocker_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// figures are words that say what something is like, where a name should say what
// it is. Names here use the terms of locks, queues and package testing.
var figures = strings.Fields(`
	bait baits bequeath bequeaths bequest cast casts doubt doubts ears enline errand errands gate gates ghost ghosts
	gotten hand hands hearsay heir heirs hire hires hired inherit inherits inherited legacy legacies lobby rouse roused
	rumour rumours rumor servant servants stray strays testator testators tether tethers tie ties tied unline untiring`)

// figuresAllowed are words with such a word among them that are the usual ones for
// the thing, everywhere or below a directory.
var figuresAllowed = []struct{ words, within, why string }{
	{"hand off", ".", "a lock that goes from the holder to the first waiter in one step"},
	{"hand over", ".", "the same"},
	{"inherited", "lockcore/filestore", "what a child process does to the open files of its parent"},
	{"gate", "cmd/rtest-report", "a check that stops a build, in the words of CI systems"},
}

// A name is an identifier, and where it is declared.
type name struct{ text, file string }

// TestNamesAreNoFiguresOfSpeech reads the names that the module declares, in Go
// and in Lua, word by word.
func TestNamesAreNoFiguresOfSpeech(t *testing.T) {
	names := declared(t)
	require.Greater(t, len(names), 5000)
	for _, n := range names {
		for _, w := range figuresIn(n) {
			t.Errorf("%s: %s: %q is a figure of speech: say what happens", n.file, n.text, w)
		}
	}
}

// figuresIn lists the words of a name that are figures of speech.
func figuresIn(n name) (found []string) {
	text := " " + strings.Join(words(n.text), " ") + " "
	for _, a := range figuresAllowed {
		if a.within == "." || within(n.file, a.within) {
			for _, end := range []string{" ", "s "} {
				text = strings.ReplaceAll(text, " "+a.words+end, " ")
			}
		}
	}
	for _, w := range strings.Fields(text) {
		if slices.Contains(figures, w) {
			found = append(found, w)
		}
	}
	return found
}

// declared lists the names that the module's code declares, and those of its
// files.
func declared(t *testing.T) (names []name) {
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, n := range declaredIn(f) {
				names = append(names, name{n, path})
			}
		case strings.HasSuffix(path, ".lua"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, n := range luaNames(string(text)) {
				names = append(names, name{n, path})
			}
		default:
			return nil
		}
		names = append(names, name{strings.TrimSuffix(d.Name(), filepath.Ext(path)), path})
		return nil
	}))
	return names
}

// declaredIn lists what a file declares: not what it uses of others, whose names
// are theirs.
func declaredIn(f *ast.File) (names []string) {
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok && id.Name != "_" {
				names = append(names, id.Name)
			}
		}
	}
	add(f.Name)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.ImportSpec:
			if n.Name != nil {
				add(n.Name)
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				add(id)
			}
		case *ast.Field:
			for _, id := range n.Names {
				add(id)
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		case *ast.LabeledStmt:
			add(n.Label)
		}
		return true
	})
	return names
}

var (
	luaText = regexp.MustCompile(`--[^\n]*|'(\\.|[^'\\\n])*'|"(\\.|[^"\\\n])*"`)
	luaName = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9]*`)
)

// luaNames lists the names in a script, without comments and strings.
func luaNames(script string) []string {
	names := luaName.FindAllString(luaText.ReplaceAllString(script, " "), -1)
	slices.Sort(names)
	return slices.Compact(names)
}

// words splits a name where a new word begins: at a capital letter, a digit or an
// underscore.
func words(name string) (words []string) {
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		word = append(word, r)
	}
	end()
	return words
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{
		"handOff": "hand off", "HTTPGate": "http gate", "ghost_for2x": "ghost for x", "castID": "cast id", "broadcast": "broadcast", "A": "a",
	} {
		assert.Equal(t, want, strings.Join(words(name), " "))
	}
	assert.Empty(t, figuresIn(name{"benchHandOffs", "rtest/x.go"}))
	assert.Equal(t, []string{"hand", "gates"}, figuresIn(name{"byHand_gates", "rtest/x.go"}))
	assert.Equal(t, []string{"hand"}, figuresIn(name{"byHand_gates", "cmd/rtest-report/x.go"}))
	assert.Equal(t, []string{"M", "gate", "local"}, luaNames("-- a ghost\nlocal M.gate = 'a \\' rumour' \"tie\""))
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package p
import c "cast"
func f(gate int) { for ghost := range c.Heir { tie := ghost; tie.Stray() }; var hand struct{ lobby int } }`, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"p", "c", "f", "gate", "ghost", "tie", "hand", "lobby"}, declaredIn(f))
}
