package load

import (
	"runtime"
	"syscall"
	"time"
)

// sharpen keeps the calling goroutine on one thread and asks the kernel to wake
// that thread on time instead of up to 50 µs late to save power.
func sharpen() {
	const setTimerSlack, oneNanosecond = 29, 1 // PR_SET_TIMERSLACK of prctl(2)
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, oneNanosecond, 0) // refused: naps are longer, nothing else
}

// nap sleeps with the kernel's precision (a few µs after sharpen). The runtime's own
// timers wake an idle process only at whole milliseconds, which would be counted as
// the server's latency.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&ts, nil) // a signal ends it early, and the caller looks at the clock anyway
}
