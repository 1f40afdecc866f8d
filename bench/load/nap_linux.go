package load

import (
	"syscall"
	"time"
)

// nap sleeps with the kernel's precision (about 60 µs). The runtime's own
// timers wake an idle process only at whole milliseconds, which would be counted as
// the server's latency.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&ts, nil) // a signal ends it early, and the caller looks at the clock anyway
}
