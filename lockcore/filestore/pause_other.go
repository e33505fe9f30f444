//go:build !linux

package filestore

import "time"

func pause(d time.Duration) { time.Sleep(d) }
