//go:build !unix

package suspects

import "time"

var began = time.Now()

// spent is how long the process has run, where its CPU time is not to be had.
func spent() time.Duration { return time.Since(began) }
