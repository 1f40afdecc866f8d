//go:build unix

package diary

import (
	"os"
	"syscall"
)

// flock takes the exclusive lock that the kernel drops with the process.
func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
