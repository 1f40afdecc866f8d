package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Set is a backup that is read.
type Set struct {
	Manifest Manifest

	dir   string           // of a folder
	file  *os.File         // of a tar file
	where map[string]place // in the tar file
}

type place struct{ offset, size int64 }

// Open opens the backup in a folder or a tar file. It believes nothing yet but
// the manifest: Verify reads the rest.
func Open(path string) (*Set, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &Set{dir: path}
	if !st.IsDir() {
		if s, err = openTar(path); err != nil {
			return nil, fmt.Errorf("open the backup %s: %w", path, err)
		}
	}
	raw, err := s.read(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the file manifest is missing: this is no backup, or not a whole one")
	}
	if err == nil {
		var m *Manifest
		if m, err = decode(raw); err == nil {
			s.Manifest = *m
			return s, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("open the backup %s: %w", path, err), s.Close())
}

// openTar finds the entries of a tar file.
func openTar(path string) (*Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &Set{file: f, where: map[string]place{}}
	in := tar.NewReader(f)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("after %d files: %w", len(s.where), err), f.Close())
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if _, twice := s.where[h.Name]; twice || len(s.where) > maxFiles {
			return nil, errors.Join(fmt.Errorf("the file %.250q is there twice", h.Name), f.Close())
		}
		s.where[h.Name] = place{at, h.Size}
	}
}

// Close lets go of the files.
func (s *Set) Close() error {
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

func (s *Set) open(name string) (io.ReadCloser, error) {
	if s.file == nil {
		return os.Open(filepath.Join(s.dir, filepath.FromSlash(name)))
	}
	p, ok := s.where[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(io.NewSectionReader(s.file, p.offset, p.size)), nil
}

func (s *Set) read(name string) ([]byte, error) {
	r, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxManifest)
	}
	return raw, err
}

// names are the files that are there.
func (s *Set) names() (out []string, err error) {
	if s.file != nil {
		for name := range s.where {
			out = append(out, name)
		}
		return out, nil
	}
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.dir, path)
		out = append(out, filepath.ToSlash(rel))
		return err
	})
	return out, err
}

// Verify reads every file and compares it with the manifest.
func (s *Set) Verify(progress func(name string, bytes int64)) error {
	if progress == nil {
		progress = func(string, int64) {}
	}
	names, err := s.names()
	if err != nil {
		return err
	}
	var got []Part
	var total int64
	for _, name := range names {
		if name == manifestName {
			continue
		}
		r, err := s.open(name)
		if err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("read %s of the backup: %w", name, err)
		}
		got = append(got, Part{Name: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
		total += n
		progress(name, total)
	}
	return compare(s.Manifest.Parts, got)
}

// Files are the names of whole files that begin with prefix, in the order in which they
// were written.
func (s *Set) Files(prefix string) (out []string) {
	for _, p := range s.Manifest.Parts {
		if strings.HasPrefix(p.Name, prefix) && !strings.Contains(p.Name, ".part") {
			out = append(out, p.Name)
		}
	}
	return out
}

// Reader reads a whole file; fs.ErrNotExist when the backup has none of that name.
func (s *Set) Reader(name string) (io.ReadCloser, error) {
	r := &whole{s: s, name: name}
	for _, p := range s.Manifest.Parts {
		if p.Name == partName(name, r.parts) {
			r.parts++
		}
	}
	if r.parts == 0 {
		return nil, fmt.Errorf("the backup has no %s: %w", name, fs.ErrNotExist)
	}
	return r, nil
}

// whole reads one part after the other.
type whole struct {
	s        *Set
	name     string
	parts, n int
	now      io.ReadCloser
}

func (w *whole) Read(p []byte) (int, error) {
	for {
		if w.now == nil {
			if w.n == w.parts {
				return 0, io.EOF
			}
			var err error
			if w.now, err = w.s.open(partName(w.name, w.n)); err != nil {
				return 0, err
			}
			w.n++
		}
		n, err := w.now.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		if err := w.Close(); err != nil {
			return 0, err
		}
	}
}

func (w *whole) Close() error {
	if w.now == nil {
		return nil
	}
	err := w.now.Close()
	w.now = nil
	return err
}
