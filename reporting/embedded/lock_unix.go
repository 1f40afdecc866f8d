//go:build linux || darwin

package embedded

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockDirectory makes sure that one process has the data directory. The kernel
// drops the lock with the process, so a crash leaves nothing to clean up.
func lockDirectory(dir string) (release func(), err error) {
	path := filepath.Join(dir, "mazad.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		return nil, &DirectoryInUse{Dir: dir, PID: strings.TrimSpace(string(owner))}
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return func() { _ = f.Close() }, nil
}
