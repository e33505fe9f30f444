//go:build !(darwin || linux || windows)

package filestore

import "time"

// ticks is the wall clock. A header keeps it from going back.
func ticks() int64 { return time.Now().UnixNano() }

func bootID() string { return "" }
