package powertest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Small is a file system in memory that can be filled.
type Small struct {
	Dir    string
	filler string
	t      testing.TB
}

// Tmpfs mounts a file system of the size in options ("size=24m"), or skips the test where that
// is not permitted. It is unmounted when the test ends.
func Tmpfs(t testing.TB, options string) *Small {
	t.Helper()
	s := &Small{Dir: t.TempDir(), t: t}
	if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, options); err != nil {
		t.Skipf("NOT TESTED: a full disk needs the right to mount a tmpfs: %v", err)
	}
	s.filler = filepath.Join(s.Dir, "filler")
	t.Cleanup(func() { _ = syscall.Unmount(s.Dir, syscall.MNT_DETACH) })
	return s
}

// Fill takes all the space that is left.
func (s *Small) Fill() {
	s.t.Helper()
	f, err := os.OpenFile(s.filler, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// Free gives the space back.
func (s *Small) Free() {
	s.t.Helper()
	if err := os.Remove(s.filler); err != nil {
		s.t.Fatal(err)
	}
}
