//go:build !linux

package environ

// initial returns nil: the variables are those that this package finds when it is
// initialised, before any test and before TestMain.
func initial() map[string]string { return nil }
