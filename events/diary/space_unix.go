//go:build linux || darwin

package diary

import "syscall"

// freeBytes is the space that is left on the disk of dir; ok is false when the
// system does not say.
func freeBytes(dir string) (free uint64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
