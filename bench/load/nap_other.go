//go:build !linux

package load

import "time"

func sharpen() {}

// nap sleeps; on these systems a nap may be a millisecond too long, and is
// counted as latency.
func nap(d time.Duration) { time.Sleep(d) }
