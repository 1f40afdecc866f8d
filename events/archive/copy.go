package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Copy is an archive at one moment: the files of a manifest, which never change,
// and the manifest itself. Only retention can take a file away while it is copied.
type Copy struct {
	a *Archive
	m *manifest
}

// Copy takes the archive as it is now; what cannot be trusted is not copied.
func (a *Archive) Copy() (*Copy, error) {
	if err := a.Trouble(); err != nil {
		return nil, fmt.Errorf("copy the archive: %w", err)
	}
	return &Copy{a: a, m: a.current()}, nil
}

// Last is the newest batch of the copy, 0 when it is empty.
func (c *Copy) Last() uint64 {
	next, _ := c.m.next()
	return next - 1
}

// Each gives every file by name, the manifest last.
func (c *Copy) Each(ctx context.Context, keep func(name string, r io.Reader) error) error {
	for _, e := range c.m.entries {
		if err := c.file(ctx, e, keep); err != nil {
			return err
		}
	}
	if c.Last() == 0 {
		return nil
	}
	m := *c.m
	return keep(manifestName, bytes.NewReader(m.encode()))
}

func (c *Copy) file(ctx context.Context, e Entry, keep func(name string, r io.Reader) error) error {
	f, err := c.a.store.Open(ctx, e.Name)
	if err != nil {
		return fmt.Errorf("copy the archive's file %s: %w", e.Name, err)
	}
	defer func() { _ = f.Close() }()
	if f.Size() != e.Bytes {
		return &Damage{File: e.Name, Offset: min(f.Size(), e.Bytes), First: e.First, Last: e.Last, Err: wrongSize(f.Size(), e.Bytes)}
	}
	return keep(e.Name, io.NewSectionReader(f, 0, e.Bytes))
}
