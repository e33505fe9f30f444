package environ_test

import (
	"fmt"
	"os"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

func Example() {
	os.Setenv("RTEST_URL", "") // a secret that did not arrive
	defer os.Unsetenv("RTEST_URL")
	fmt.Println(environ.Check())
	// Output:
	// the environment variable RTEST_URL is set but empty, as a CI secret is that did not arrive: give it a value, or unset it to have the default
}

func ExampleUnknown() {
	name := "RTEST_" + "WIAT"
	os.Setenv(name, "5m")
	defer os.Unsetenv(name)
	for _, words := range environ.Unknown() {
		fmt.Println("warning:", words)
	}
	// Output:
	// warning: the environment variable "RTEST_WIAT" has no meaning here; did you mean RTEST_WAIT?
}

// What a test changes for the code that it tests leads nobody to another store.
func ExampleGetenv() {
	home := environ.Getenv("HOME")
	os.Setenv("HOME", "/somewhere/else")
	defer os.Setenv("HOME", home)
	fmt.Println(environ.Getenv("HOME") == home)

	os.Setenv("RTEST_NAMESPACE", "lab")
	defer os.Unsetenv("RTEST_NAMESPACE")
	fmt.Println(environ.Getenv("RTEST_NAMESPACE"))
	// Output:
	// true
	// lab
}

func ExampleLookup() {
	_, set := environ.Lookup("RTEST_EVENTS")
	fmt.Println(set)
	// Output: false
}

func ExampleCheck() {
	os.Setenv("RTEST_NAMESPACE", "'lab'")
	defer os.Unsetenv("RTEST_NAMESPACE")
	fmt.Println(environ.Check("RTEST_NAMESPACE"))
	// Output:
	// the environment variable RTEST_NAMESPACE begins with a quotation mark, which nobody takes away here: leave the quotes out
}

func ExampleClean() {
	value, err := environ.Clean("/var/lib/events\n")
	fmt.Printf("%q %v\n", value, err)
	// Output: "/var/lib/events" <nil>
}

func ExampleAbsolute() {
	fmt.Println("RTEST_EVENTS", environ.Absolute("~/events"))
	// Output:
	// RTEST_EVENTS begins with ~, which a shell replaces and nobody else: write the full path
}

func ExampleNearest() {
	fmt.Println(environ.Nearest("fial", []string{"fail", "skip"}))
	// Output: fail
}

// They stay what they were when the process started.
func ExampleCacheDir() {
	before, _ := environ.CacheDir()
	temp := environ.TempDir()
	work, _ := environ.WorkDir()
	os.Setenv("XDG_CACHE_HOME", "/somewhere/else")
	defer os.Unsetenv("XDG_CACHE_HOME")
	after, _ := environ.CacheDir()
	fmt.Println(before == after, temp != "", work != "")
	// Output: true true true
}
