package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"mazad/events"
)

const (
	manifestName    = "manifest"
	manifestVersion = 1
	fileSuffix      = ".mza"

	// maxFiles bounds the manifest: 400 days of files of 64 MiB are 1.6 TB at
	// a tenth of it.
	maxFiles    = 1 << 18
	maxManifest = 256 << 20
)

// Entry is a sealed file as the manifest knows it.
type Entry struct {
	Name    string `json:"name"`
	First   uint64 `json:"first"`
	Last    uint64 `json:"last"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`     // on disk
	Raw     uint64 `json:"raw_bytes"` // of the batches, before compression
	FromMS  int64  `json:"from_ms"`   // when the server took its first and last batch
	ToMS    int64  `json:"to_ms"`
	Digest  string `json:"digest"` // of the content, and of everything before it
}

func entryOf(f footer, size int64) Entry {
	return Entry{
		Name: fmt.Sprintf("%020d-%020d%s", f.first, f.last, fileSuffix), First: f.first, Last: f.last, Records: f.records, Bytes: size, Raw: f.raw,
		FromMS: f.fromNS / 1e6, ToMS: f.toNS / 1e6, Digest: hex.EncodeToString(f.digest[:]),
	}
}

func (e Entry) digest() (d digest) {
	b, _ := hex.DecodeString(e.Digest)
	copy(d[:], b)
	return d
}

// manifest is the list of sealed files: checksummed lines of JSON, replaced as
// a whole. The first line says how many follow, so that a cut is seen.
type manifest struct {
	Version int    `json:"manifest"`
	Stream  string `json:"stream"`
	Files   int    `json:"files"`
	Retired uint64 `json:"retired"` // batches up to here were removed by retention
	// RetiredDigest is where the chain stood there.
	RetiredDigest string `json:"retired_digest"`

	entries []Entry
}

// next is the sequence that the next file begins with, and the digest it follows.
func (m *manifest) next() (uint64, digest) {
	if n := len(m.entries); n > 0 {
		return m.entries[n-1].Last + 1, m.entries[n-1].digest()
	}
	return m.Retired + 1, Entry{Digest: m.RetiredDigest}.digest()
}

func appendLine(b []byte, v any) []byte {
	body, _ := json.Marshal(v) // structs of numbers and strings
	return fmt.Appendf(b, "%08x %s\n", crc32.Checksum(body, castagnoli), body)
}

func (m *manifest) encode() []byte {
	m.Version, m.Files = manifestVersion, len(m.entries)
	b := appendLine(nil, m)
	for _, e := range m.entries {
		b = appendLine(b, e)
	}
	return b
}

func readLine(b []byte, v any) (rest []byte, err error) {
	line, rest, whole := bytes.Cut(b, []byte("\n"))
	if !whole {
		return nil, damaged("the line is cut short")
	}
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return nil, damaged("the checksum does not hold")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, damaged("%v", err)
	}
	return rest, nil
}

// decodeManifest reads a manifest; the error is a *Damage with the offset of the
// line.
func decodeManifest(b []byte, stream string) (*manifest, error) {
	m, size := &manifest{}, len(b)
	bad := func(rest []byte, err error) error {
		return &Damage{File: manifestName, Offset: int64(size - len(rest)), Err: err}
	}
	rest, err := readLine(b, m)
	switch {
	case err != nil:
		return nil, bad(b, err)
	case m.Version != manifestVersion:
		return nil, bad(b, fmt.Errorf("%w: archive manifest v%d, this build reads v%d", events.ErrVersion, m.Version, manifestVersion))
	case m.Stream != stream:
		return nil, bad(b, damaged("it lists files of stream %q, not of %q", m.Stream, stream))
	case m.Files < 0 || m.Files > maxFiles:
		return nil, bad(b, damaged("it lists %d files, the limit is %d", m.Files, maxFiles))
	}
	want := m.Retired + 1
	for range m.Files {
		var e Entry
		line := rest
		if rest, err = readLine(line, &e); err != nil {
			return nil, bad(line, err)
		}
		if e.First != want || e.Last < e.First {
			return nil, bad(line, damaged("%s has batches %d to %d where %d is expected", e.Name, e.First, e.Last, want))
		}
		want = e.Last + 1
		m.entries = append(m.entries, e)
	}
	if len(rest) != 0 {
		return nil, bad(rest, damaged("%d bytes follow the last of %d files", len(rest), m.Files))
	}
	return m, nil
}

// readManifest is nil without an error when there is none.
func readManifest(ctx context.Context, s Store, stream string) (*manifest, error) {
	f, err := s.Open(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	if f.Size() > maxManifest {
		return nil, &Damage{File: manifestName, Offset: -1, Err: damaged("it has %d bytes, the limit is %d", f.Size(), maxManifest)}
	}
	b := make([]byte, f.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("archive: read the manifest: %w", err)
	}
	return decodeManifest(b, stream)
}

func (m *manifest) write(ctx context.Context, s Store) error {
	p, err := s.Create(ctx, manifestName)
	if err != nil {
		return err
	}
	if _, err := p.Write(m.encode()); err != nil {
		return errors.Join(fmt.Errorf("archive: write the manifest: %w", err), p.Discard())
	}
	return p.Commit(manifestName)
}
