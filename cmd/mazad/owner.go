package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mazad/campaign"
	"mazad/internal/failpoint"
)

// nodeOwner is the name under which a data directory claims its node number. It
// is made once: the directory holds the diary of that number, so wherever it goes
// the number goes with it. A copy of a directory must not be run beside the
// original; `rm node.id` makes it a node of its own.
func nodeOwner(dir string) (string, error) {
	path := filepath.Join(dir, "node.id")
	raw, err := os.ReadFile(path)
	switch owner := strings.TrimSpace(string(raw)); {
	case err == nil && (owner == "" || len(owner) > campaign.MaxNodeOwner):
		return "", fmt.Errorf("%s holds %d bytes, want 1 to %d: a half-written file? Restore it, or remove it if this node never served", path, len(owner), campaign.MaxNodeOwner)
	case err == nil:
		return owner, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("read the node's name: %w", err)
	}
	var b [16]byte
	rand.Read(b[:])
	owner := hex.EncodeToString(b[:])
	if err := writeOnce(path, []byte(owner+"\n")); err != nil {
		return "", fmt.Errorf("keep the node's name: %w", err)
	}
	return owner, nil
}

// Where a test ends the process: a new checkpoint, or the node's name, is whole
// but not yet under its name; it is.
var (
	wholeNotNamed = failpoint.New("checkpoint.before-rename")
	wholeNamed    = failpoint.New("checkpoint.after-rename")
)

// writeOnce makes a file that is whole on disk or not there.
func writeOnce(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	wholeNotNamed.Hit()
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	wholeNamed.Hit()
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
