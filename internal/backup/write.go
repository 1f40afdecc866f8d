package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Writer writes a backup as a tar stream.
type Writer struct {
	tar      *tar.Writer
	manifest Manifest
	buf      []byte // the part being filled
}

// NewWriter begins a backup.
func NewWriter(w io.Writer, at time.Time, program string) *Writer {
	return &Writer{tar: tar.NewWriter(w), manifest: Manifest{Format: format, MadeAt: at.UTC().Truncate(time.Second), Program: program, Parts: []Part{}}}
}

// File writes one file: everything that fill writes.
func (w *Writer) File(name string, fill func(io.Writer) error) error {
	f := &file{w: w, name: name}
	w.buf = w.buf[:0]
	if err := fill(f); err != nil {
		return err
	}
	return f.flush()
}

// Copy writes one file from r.
func (w *Writer) Copy(name string, r io.Reader) error {
	return w.File(name, func(to io.Writer) error {
		_, err := io.Copy(to, r)
		return err
	})
}

// Finish writes the manifest; without it there is no backup.
func (w *Writer) Finish(about any) error {
	var err error
	if w.manifest.About, err = json.Marshal(about); err != nil {
		return err
	}
	raw, err := w.manifest.encode()
	if err != nil {
		return err
	}
	if err := w.entry(manifestName, raw); err != nil {
		return err
	}
	return w.tar.Close()
}

func (w *Writer) entry(name string, data []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: w.manifest.MadeAt, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := io.Copy(w.tar, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// file cuts what is written into parts.
type file struct {
	w    *Writer
	name string
	n    int
}

func (f *file) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), PartBytes-len(f.w.buf))
		f.w.buf, rest = append(f.w.buf, rest[:n]...), rest[n:]
		if len(f.w.buf) == PartBytes {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// flush writes a part; an empty file has one that is empty.
func (f *file) flush() error {
	if len(f.w.buf) == 0 && f.n > 0 {
		return nil
	}
	name := partName(f.name, f.n)
	if err := checkName(name); err != nil {
		return err
	}
	if len(f.w.manifest.Parts) >= maxFiles {
		return fmt.Errorf("write %s: a backup has at most %d parts", name, maxFiles)
	}
	sum := sha256.Sum256(f.w.buf)
	if err := f.w.entry(name, f.w.buf); err != nil {
		return err
	}
	f.w.manifest.Parts = append(f.w.manifest.Parts, Part{Name: name, Bytes: int64(len(f.w.buf)), SHA256: hex.EncodeToString(sum[:])})
	f.w.buf = f.w.buf[:0]
	f.n++
	return nil
}

// partName is where part n of a file lies. A part after the first says so.
func partName(name string, n int) string {
	if n == 0 {
		return name
	}
	return fmt.Sprintf("%s.part%06d", name, n)
}
