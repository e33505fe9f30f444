//go:build !unix

package listeners

import "os"

// Of cannot know it here. To take it that there are none is safe: the process
// ends, also one that handles ^C itself.
func Of(os.Signal) Answer { return None }
