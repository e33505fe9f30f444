//go:build !unix

package main

import "os"

// likeness gives a new file the mode of an old one.
func likeness(name string, old os.FileInfo) error { return os.Chmod(name, old.Mode()) }
