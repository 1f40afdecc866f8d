//go:build linux || darwin

package embedded

import (
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// sigactionBytes holds a struct sigaction of any libc we run on (152 bytes on
// glibc, 16 on macOS). Its layout does not concern us: it is saved and put back.
const sigactionBytes = 256

// keepSignalHandlers runs f, which calls into the library, and restores the
// handlers of every signal afterwards. The library resets or replaces those of
// SIGSEGV, SIGBUS, SIGFPE and others on each connect; the Go runtime needs them
// for nil checks and stack growth, and its own carry SA_ONSTACK.
func keepSignalHandlers(f func()) error {
	sym, err := purego.Dlsym(purego.RTLD_DEFAULT, "sigaction")
	if err != nil {
		return err
	}
	var sigaction func(sig int32, act, old unsafe.Pointer) int32
	purego.RegisterFunc(&sigaction, sym)

	const signals = 31 // the classic ones; libc keeps the first real-time ones to itself
	saved := make([][sigactionBytes]byte, signals+1)
	known := make([]bool, signals+1)
	for sig := 1; sig <= signals; sig++ {
		if sig == int(syscall.SIGKILL) || sig == int(syscall.SIGSTOP) {
			continue
		}
		known[sig] = sigaction(int32(sig), nil, unsafe.Pointer(&saved[sig])) == 0
	}
	f()
	for sig := 1; sig <= signals; sig++ {
		if known[sig] {
			sigaction(int32(sig), unsafe.Pointer(&saved[sig]), nil)
		}
	}
	return nil
}
