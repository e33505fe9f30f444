package inventory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// ErrNone says that no inventory is named.
var ErrNone = errors.New("there is no inventory: the environment variable RTEST_POOLS names it, a YAML or JSON file or an http or https URL")

// Default is the source that RTEST_POOLS names. The error is [ErrNone] if the
// variable is not set.
func Default() (*Source, error) {
	const name = "RTEST_POOLS"
	if err := environ.Check(name); err != nil {
		return nil, err
	}
	location := environ.Getenv(name)
	switch {
	case location == "":
		return nil, ErrNone
	case isURL(location):
	case strings.Contains(location, "://"):
		scheme, _, _ := strings.Cut(location, "://")
		return nil, fmt.Errorf("the environment variable %s names the inventory by %s://: want a path, http:// or https://", name, scheme)
	default:
		if err := environ.Absolute(location); err != nil {
			return nil, fmt.Errorf("the environment variable %s %w, as in %s=\"$PWD/lab.yml\"", name, err, name)
		}
	}
	return At(location), nil
}
