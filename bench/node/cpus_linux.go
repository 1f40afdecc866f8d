package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

type cpuSet [16]uint64

func setOf(cpus []int) (s cpuSet) {
	for _, c := range cpus {
		s[c/64] |= 1 << (c % 64)
	}
	return s
}

func affinity(call uintptr, thread int, s *cpuSet) error {
	if _, _, e := syscall.RawSyscall(call, uintptr(thread), unsafe.Sizeof(*s), uintptr(unsafe.Pointer(s))); e != 0 {
		return fmt.Errorf("processors of thread %d: %w", thread, e)
	}
	return nil
}

// startOn starts c on the given processors, nil for all: a child inherits them
// from the thread that forks it.
func startOn(c *exec.Cmd, cpus []int) error {
	if cpus == nil {
		return c.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before cpuSet
	if err := affinity(syscall.SYS_SCHED_GETAFFINITY, 0, &before); err != nil {
		return err
	}
	now := setOf(cpus)
	if err := affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &now); err != nil {
		return err
	}
	err := c.Start()
	if back := affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &before); err == nil {
		err = back
	}
	return err
}

// Pin moves this process to the given processors until undo is called.
func Pin(cpus []int) (undo func(), err error) {
	var before cpuSet
	if err := affinity(syscall.SYS_SCHED_GETAFFINITY, os.Getpid(), &before); err != nil {
		return nil, err
	}
	procs := runtime.GOMAXPROCS(len(cpus))
	now := setOf(cpus)
	if err := everyThread(&now); err != nil {
		return nil, err
	}
	return func() { _ = everyThread(&before); runtime.GOMAXPROCS(procs) }, nil
}

func everyThread(s *cpuSet) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		n, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := affinity(syscall.SYS_SCHED_SETAFFINITY, n, s); err != nil && !errors.Is(err, syscall.ESRCH) { // a thread that has just ended
			return err
		}
	}
	return nil
}
