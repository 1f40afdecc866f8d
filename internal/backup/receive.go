package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Receive keeps a backup that comes as a tar stream: in the file `to` when its
// name ends in .tar, else in the folder `to`, which must not exist or be empty.
// It is there, synced and compared with its manifest when nil is returned;
// otherwise a file is not there, and a folder has no manifest. progress hears of
// every part with the bytes so far; it may be nil.
func Receive(r io.Reader, to string, progress func(name string, bytes int64)) (*Manifest, error) {
	if progress == nil {
		progress = func(string, int64) {}
	}
	if strings.HasSuffix(to, ".tar") {
		return receiveFile(r, to, progress)
	}
	return receiveFolder(r, to, progress)
}

func receiveFile(r io.Reader, to string, progress func(string, int64)) (m *Manifest, err error) {
	if _, err := os.Lstat(to); err == nil {
		return nil, fmt.Errorf("%s exists: choose another name", to)
	}
	f, err := os.OpenFile(to+".partial", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	m, err = walk(io.TeeReader(r, f), progress, func(_ string, part io.Reader) error {
		_, err := io.Copy(io.Discard, part)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), to); err != nil {
		return nil, err
	}
	return m, syncDir(filepath.Dir(to))
}

func receiveFolder(r io.Reader, to string, progress func(string, int64)) (*Manifest, error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		return nil, errors.Join(fmt.Errorf("the folder %s is not empty: choose another", to), err)
	}
	made := map[string]bool{to: true}
	write := func(name string, part io.Reader) error {
		path := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		made[filepath.Dir(path)] = true
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, part)
		return errors.Join(err, f.Sync(), f.Close())
	}
	m, err := walk(r, progress, write)
	if err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(filepath.Join(to, manifestName))))
	}
	for dir := range made {
		if err := syncDir(dir); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// walk reads a tar stream, gives every entry to take, and compares what came
// with the manifest at the end.
func walk(r io.Reader, progress func(string, int64), take func(name string, part io.Reader) error) (*Manifest, error) {
	in := tar.NewReader(r)
	var came []Part
	var total int64
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the backup ends before its manifest")
		}
		if err != nil {
			return nil, fmt.Errorf("read the backup: %w", err)
		}
		if err := checkName(h.Name); err != nil || h.Typeflag != tar.TypeReg {
			return nil, errors.Join(fmt.Errorf("the backup holds %.250q, which is no part of one", h.Name), err)
		}
		if h.Name == manifestName {
			m, err := walkManifest(in, h.Size, came, take)
			if err != nil {
				return nil, err
			}
			_, err = io.Copy(io.Discard, r) // the end marks of tar belong to the file
			return m, err
		}
		sum := sha256.New()
		if err := take(h.Name, io.TeeReader(in, sum)); err != nil {
			return nil, fmt.Errorf("read %s of the backup: %w", h.Name, err)
		}
		came = append(came, Part{Name: h.Name, Bytes: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
		total += h.Size
		progress(h.Name, total)
	}
}

func walkManifest(in io.Reader, size int64, came []Part, take func(string, io.Reader) error) (*Manifest, error) {
	if size > maxManifest {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", errManifest, size, maxManifest)
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of the backup: %w", err)
	}
	m, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if err := compare(m.Parts, came); err != nil {
		return nil, err
	}
	return m, take(manifestName, strings.NewReader(string(raw)))
}

// compare names the first part that is not as the manifest says.
func compare(want, got []Part) error {
	have := make(map[string]Part, len(got))
	for _, p := range got {
		have[p.Name] = p
	}
	for _, w := range want {
		g, ok := have[w.Name]
		switch {
		case !ok:
			return fmt.Errorf("the file %s is missing from the backup", w.Name)
		case g.Bytes != w.Bytes:
			return fmt.Errorf("the file %s of the backup has %d bytes, want %d", w.Name, g.Bytes, w.Bytes)
		case g.SHA256 != w.SHA256:
			return fmt.Errorf("the file %s of the backup is damaged: its SHA-256 is %s, want %s", w.Name, g.SHA256, w.SHA256)
		}
		delete(have, w.Name)
	}
	for name := range have {
		return fmt.Errorf("the file %s is not in the manifest of the backup", name)
	}
	return nil
}
