// Package backup is the format of a backup: files in a folder, or in one tar
// file, and a manifest with the size and SHA-256 of each.
//
// Contract: a backup is whole or is recognised as not: the manifest is written
// last and carries its own sum. Verify reads everything and names the file that
// is missing, too many or damaged; nothing is restored from a backup that it did
// not accept. Large files are kept in parts, so that whoever writes needs to know
// no length in advance; Reader puts them together again.
//
// Concurrency: a Writer and a Set belong to one goroutine.
//
// Limits: PartBytes a part, maxFiles parts, maxManifest bytes of manifest, names
// of 200 bytes.
package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// PartBytes is the size of a full part.
const PartBytes = 8 << 20

// Limits.
const (
	maxFiles    = 4_000_000
	maxManifest = 1 << 30
	maxName     = 200
)

// manifestName is the file that makes a backup one.
const manifestName = "manifest"

// format is the version of the layout.
const format = 1

// Manifest says what a backup holds.
type Manifest struct {
	Format  int             `json:"format"`
	MadeAt  time.Time       `json:"made_at"`
	Program string          `json:"program"` // the version that made it
	About   json.RawMessage `json:"about"`   // the maker's own
	Parts   []Part          `json:"parts"`
}

// Part is one file of a backup, or a piece of one.
type Part struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// namePattern keeps a name inside its folder on every system.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

func checkName(name string) error {
	if len(name) > maxName || !namePattern.MatchString(name) {
		return fmt.Errorf("the name %.250q is not allowed: want letters, digits, dots and dashes in folders, at most %d bytes", name, maxName)
	}
	return nil
}

// errManifest begins what is said of a manifest that cannot be trusted.
var errManifest = errors.New("the file manifest is damaged")

// encode writes the manifest and, on a line of its own, its sum.
func (m *Manifest) encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, err
	}
	return append(text, "\n"+sumOf(text)+"\n"...), nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func decode(raw []byte) (*Manifest, error) {
	text, sum, ok := strings.Cut(string(raw), "\n}\n")
	if !ok || strings.TrimSuffix(sum, "\n") != sumOf([]byte(text+"\n}")) {
		return nil, fmt.Errorf("%w: its sum is not that of its text", errManifest)
	}
	var m Manifest
	if err := json.Unmarshal([]byte(text+"\n}"), &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("the backup has format %d, this program reads %d", m.Format, format)
	}
	for _, p := range m.Parts {
		if err := checkName(p.Name); err != nil {
			return nil, fmt.Errorf("%w: %w", errManifest, err)
		}
	}
	return &m, nil
}
