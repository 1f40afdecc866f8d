//go:build unix

package failpoint

import (
	"os"
	"syscall"
	"time"
)

// end kills this process as kill -9 does. The goroutine that asked for it goes
// no further, also when the signal takes a moment.
func end() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// settle is longer than a stop signal takes to reach every thread; the clock of
// a wait runs on while the process stands still.
const settle = 20 * time.Millisecond

// pause stops this process; it returns when somebody has let it go on.
func pause() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	time.Sleep(settle)
}
