package redistest

import "os"

// Windows has no such signals, and no redis-server either: sending these fails
// the test with the words of the operating system.
var (
	stopSignal = os.Interrupt
	contSignal = os.Interrupt
)
