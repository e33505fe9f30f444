package environ

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyTheVariablesOfTheModuleFollowATest(t *testing.T) {
	before := Getenv("HOME")
	t.Setenv("HOME", "/elsewhere")
	assert.Equal(t, before, Getenv("HOME"))
	t.Setenv("A_VARIABLE_THAT_IS_NEW", "x")
	_, set := Lookup("A_VARIABLE_THAT_IS_NEW")
	assert.False(t, set, "set after the start")

	t.Setenv("RTEST_NAMESPACE", " lab\n")
	value, set := Lookup("RTEST_NAMESPACE")
	assert.True(t, set)
	assert.Equal(t, "lab", value)
}

func TestDirectoriesAreThoseOfTheStart(t *testing.T) {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	temp := os.TempDir()
	work, err := os.Getwd()
	require.NoError(t, err)
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData", "TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, t.TempDir())
	}
	t.Chdir(t.TempDir())
	got, err := CacheDir()
	require.NoError(t, err)
	assert.Equal(t, cache, got)
	assert.Equal(t, temp, TempDir())
	got, err = WorkDir()
	require.NoError(t, err)
	assert.Equal(t, work, got)
}

// A child process that changes everything before this package is initialised, as
// an init function of the package under test may.
func TestWhatAnInitFunctionChangedDoesNotCount(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux keeps the variables of the start")
	}
	if os.Getenv("ENVIRON_CHILD") != "" {
		os.Setenv("HOME", "/elsewhere")
		assert.Equal(t, "/home/of-the-start", initial()["HOME"])
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = []string{"ENVIRON_CHILD=1", "HOME=/home/of-the-start"}
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// The rules of Linux, written once more here, agree with package os.
func TestCacheDirIsThatOfPackageOS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("cacheDir has the rules of Linux")
	}
	for _, v := range []map[string]string{
		{"HOME": "/h"}, {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, {"XDG_CACHE_HOME": "x"}, {}, {"HOME": ""}, {"HOME": "/h", "XDG_CACHE_HOME": ""},
	} {
		t.Setenv("HOME", v["HOME"])
		t.Setenv("XDG_CACHE_HOME", v["XDG_CACHE_HOME"])
		want, wantErr := os.UserCacheDir()
		got, err := cacheDir(v)
		assert.Equal(t, want, got, v)
		assert.Equal(t, wantErr != nil, err != nil, v)
	}
}

func TestAnEmptyVariableIsAnError(t *testing.T) {
	require.NoError(t, Check())
	for _, name := range forUsers {
		for _, value := range []string{"", " \n"} {
			t.Setenv(name, value)
			err := Check()
			require.Error(t, err, name)
			assert.Contains(t, err.Error(), "the environment variable "+name+" is set but empty")
			assert.Error(t, Check(name), name)
			assert.NoError(t, Check("RTEST_OF_ANOTHER"), name)
		}
		os.Unsetenv(name)
	}
	t.Setenv("RTEST_TOKEN", "")
	assert.NoError(t, Check(), "no user sets it")
}

func TestAValueThatCannotBeMeantIsAnError(t *testing.T) {
	for value, want := range map[string]string{
		`"redis://:hush@h"`: "begins with a quotation mark", `'/tmp/x'`: "begins with a quotation mark", "“/tmp/x”": "begins with a quotation mark",
		"redis://:hush@h\nredis://h2": "line break", "/tmp/a\x00b": "control character", "\"": "begins with a quotation mark",
	} {
		_, err := Clean(value)
		require.Error(t, err, value)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "hush")
	}
	for value, want := range map[string]string{"/tmp/x\n": "/tmp/x", "\tredis://h ": "redis://h", "": "", "/tmp/it's": "/tmp/it's"} {
		got, err := Clean(value)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	t.Setenv("RTEST_URL", `"redis://:hush@h"`)
	err := Check()
	require.Error(t, err)
	assert.Equal(t, "the environment variable RTEST_URL begins with a quotation mark, which nobody takes away here: leave the quotes out", err.Error())
}

func TestARelativePathIsAnError(t *testing.T) {
	assert.NoError(t, Absolute(t.TempDir()))
	for path, want := range map[string]string{"ev": "is relative", "./ev": "is relative", "~/ev": "begins with ~", "": "is relative"} {
		err := Absolute(path)
		require.Error(t, err, path)
		assert.Contains(t, err.Error(), want)
	}
}

func TestUnknownVariablesAreNamedWithTheNearestKnown(t *testing.T) {
	for name, want := range map[string]string{
		"RTEST_" + "WIAT": `the environment variable "RTEST_WIAT" has no meaning here; did you mean RTEST_WAIT?`,
		"RTEST_" + "ULR":  "did you mean RTEST_URL?", "RTEST_" + "EVENT": "did you mean RTEST_EVENTS?", "RTEST_" + "ONBUSY": "did you mean RTEST_ON_BUSY?",
		"RTEST_" + "COLOUR": "known are RTEST_ATTRS, ", "RTEST_": "known are RTEST_ATTRS, ",
	} {
		t.Setenv(name, "1")
		words := Unknown()
		require.Len(t, words, 1, name)
		assert.Contains(t, words[0], want)
		os.Unsetenv(name)
	}
	for name := range known {
		t.Setenv(name, "1")
	}
	t.Setenv("NOT_RTEST_WAIT", "1")
	assert.Empty(t, Unknown())
}

// A variable that the module reads or sets, but does not know here, would warn
// its own users.
func TestEveryVariableOfTheModuleIsKnown(t *testing.T) {
	literal := regexp.MustCompile(`"(RTEST_[A-Z_]+)=?"`)
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || filepath.Base(filepath.Dir(path)) == "environ" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			if _, ok := known[m[1]]; !ok {
				t.Errorf("%s: %s is not among the known variables of package environ: add it there, so that nobody is warned of it", path, m[1])
			}
			found[m[1]] = true
		}
		return nil
	})
	require.NoError(t, err)
	assert.True(t, found["RTEST_URL"] && found["RTEST_EVENTS"], "found only %v", found)
}

func TestOfANameThatIsThereTwiceTheFirstCounts(t *testing.T) {
	assert.Equal(t, map[string]string{"A": "1", "B": "=", "=C:": `C:\`}, vars([]string{"A=1", "B==", "A=2", `=C:=C:\`, "", "D"}))
}
