//go:build !linux && !darwin

package filestore

import "fmt"

func limits(o *order) error { return fmt.Errorf("what is %q?", o.Do) }

func historyMain() {}
