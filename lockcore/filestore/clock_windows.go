package filestore

import "golang.org/x/sys/windows"

// ticks reads the clock that all processes of the machine share.
func ticks() int64 { return int64(windows.DurationSinceBoot()) }

// bootID is unknown on Windows: another boot is recognised by ticks that are
// lower than the last.
func bootID() string { return "" }
