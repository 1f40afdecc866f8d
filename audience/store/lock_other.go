//go:build !unix

package store

import (
	"os"
	"path/filepath"
)

// lockDir does not keep a second process out on this system.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "users.lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
