package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Store keeps the files of one archive. A file is there whole or not at all. Dir
// is the only one so far; an object store fits the same methods (Create is an
// upload that Commit completes). An absent file is fs.ErrNotExist.
type Store interface {
	// Create begins a file; one at a time for each purpose, which names what is
	// not finished.
	Create(ctx context.Context, purpose string) (Pending, error)
	Open(ctx context.Context, name string) (File, error)
	// List gives the whole files in the order of their names.
	List(ctx context.Context) ([]Info, error)
	Remove(ctx context.Context, name string) error
	// Where names the store for people.
	Where() string
}

// Info is a file of a list.
type Info struct {
	Name string
	Size int64
}

// Pending is a file being written. Commit returns when it is durable under name,
// in the place of one that had it before; Discard after Commit does nothing.
type Pending interface {
	io.Writer
	Commit(name string) error
	Discard() error
}

// File is a whole file.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// unfinished marks files that were not committed.
const unfinished = ".new"

// partName is what the file under construction is called.
const partName = "open"

// Dir keeps an archive in a directory.
type Dir struct{ path string }

// OpenDir makes the directory where it is missing and removes what an earlier
// life did not finish.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	d := &Dir{path: path}
	left, err := filepath.Glob(filepath.Join(path, "*"+unfinished))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
	}
	// The directory's own entry must last as long as what is in it.
	return d, errors.Join(syncDir(filepath.Dir(path)), syncDir(path))
}

// Where implements Store.
func (d *Dir) Where() string { return d.path }

// Create implements Store.
func (d *Dir) Create(_ context.Context, purpose string) (Pending, error) {
	f, err := os.OpenFile(filepath.Join(d.path, purpose+unfinished), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &pendingFile{dir: d.path, f: f}, nil
}

// Open implements Store.
func (d *Dir) Open(_ context.Context, name string) (File, error) {
	f, err := os.Open(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return dirFile{f, st.Size()}, nil
}

// List implements Store.
func (d *Dir) List(context.Context) (files []Info, err error) {
	all, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	for _, e := range all {
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), unfinished) {
			continue
		}
		st, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
		files = append(files, Info{Name: e.Name(), Size: st.Size()})
	}
	return files, nil
}

// Remove implements Store.
func (d *Dir) Remove(_ context.Context, name string) error {
	if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: %w", err)
	}
	return syncDir(d.path)
}

type dirFile struct {
	*os.File
	size int64
}

func (f dirFile) Size() int64 { return f.size }

type pendingFile struct {
	dir string
	f   *os.File // nil once it is over
}

func (p *pendingFile) Write(b []byte) (int, error) { return p.f.Write(b) }

// Commit syncs the file, names it and syncs the directory, in this order: after
// a power cut there is a whole file or none.
func (p *pendingFile) Commit(name string) error {
	from, path := p.f.Name(), filepath.Join(p.dir, name)
	err := p.f.Sync()
	if closed := p.f.Close(); err == nil {
		err = closed
	}
	p.f = nil
	if err == nil {
		err = os.Rename(from, path)
	}
	if err == nil {
		err = syncDir(p.dir)
	}
	if err != nil {
		return fmt.Errorf("archive: write %s: %w", path, err)
	}
	return nil
}

func (p *pendingFile) Discard() error {
	if p.f == nil {
		return nil
	}
	err := errors.Join(p.f.Close(), os.Remove(p.f.Name()))
	p.f = nil
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}
