package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"mazad/events/diary"
)

// Report is what a check of the whole archive found.
type Report struct {
	Files   int
	Batches uint64
	Records uint64
	Bytes   int64 // on disk
	Raw     uint64
	Both    uint64  // batches that lie in archive and stream, and are equal
	Damage  []error // what was found, with how it is repaired; empty = whole
	Strays  []string
}

// Check reads every file from end to end, and compares what the stream still
// holds with it. The error is about reading at all; damage is in the report.
// progress may be nil.
func (s *Sequence) Check(ctx context.Context, progress func(done, total int64)) (*Report, error) {
	a, r := s.archive, &Report{}
	first, last, err := s.stream.Last(ctx, a.stream)
	if err != nil {
		return nil, err
	}
	if err := a.Trouble(); err != nil {
		r.Damage = append(r.Damage, fmt.Errorf("%w; stop Mazad, run `mazad archive repair`: it makes the manifest again from the files", err))
		return r, nil
	}
	files, total, done := a.Files(), int64(0), int64(0)
	for _, e := range files {
		total += e.Bytes
	}
	for _, e := range files {
		err := s.checkFile(ctx, e, first, last, r)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && slices.Contains(a.Files(), e): // else retention took it meanwhile
			r.Damage = append(r.Damage, advise(err, e, first))
		}
		if done += e.Bytes; progress != nil {
			progress(done, total)
		}
	}
	if _, newest := a.Range(); newest > last {
		r.Damage = append(r.Damage, &BehindError{Stream: a.stream, Last: last, Archived: newest})
	} else if newest+1 < first && newest > 0 {
		r.Damage = append(r.Damage, &diary.GapError{Stream: a.stream, Want: newest + 1, Next: first})
	}
	r.Strays, err = a.strays(ctx)
	return r, err
}

// advise says how a damaged file is repaired.
func advise(err error, e Entry, streamFirst uint64) error {
	if e.First >= streamFirst {
		return fmt.Errorf("%w; the stream still holds batches %d to %d: `mazad archive repair` writes the file again from it", err, e.First, e.Last)
	}
	return fmt.Errorf("%w; the stream begins at %d and cannot give it back: restore the file from a backup", err, streamFirst)
}

// checkFile reads one file, and the stream's copy where it is whole.
func (s *Sequence) checkFile(ctx context.Context, e Entry, first, last uint64, r *Report) error {
	if err := s.archive.readFile(ctx, e, 0, 1<<63, func(*diary.Batch) error { return nil }); err != nil {
		return err
	}
	r.Files++
	r.Batches += e.Last - e.First + 1
	r.Records += e.Records
	r.Bytes += e.Bytes
	r.Raw += e.Raw
	if e.First < first || e.Last > last {
		return nil
	}
	prev, ok := s.archive.before(e)
	if !ok {
		return nil
	}
	sum := newChain(prev)
	err := s.stream.Read(ctx, s.archive.stream, e.First, e.Last, func(b *diary.Batch) error {
		link(sum, b.Seq, b.Bytes())
		return nil
	})
	if err != nil {
		return s.streamDamage(ctx, e, err)
	}
	if digest(sum.Sum(nil)) != e.digest() {
		return fmt.Errorf("stream %s and archive file %s differ in batches %d to %d: one of them is not what was acknowledged", s.archive.stream, e.Name, e.First, e.Last)
	}
	r.Both += e.Last - e.First + 1
	return nil
}

// streamDamage is damage of the stream where the archive is whole: readers are
// given the archive's copy.
func (s *Sequence) streamDamage(ctx context.Context, e Entry, err error) error {
	first, _, again := s.stream.Last(ctx, s.archive.stream)
	if again != nil || e.First < first { // it was purged meanwhile
		return again
	}
	return fmt.Errorf("the stream's copy of batches %d to %d is damaged, the archive's is whole and is read instead: %w", e.First, e.Last, err)
}

// before is the digest that an entry's file follows.
func (a *Archive) before(e Entry) (prev digest, ok bool) {
	m := a.current()
	i := slices.Index(m.entries, e)
	switch {
	case i < 0:
		return prev, false
	case i == 0:
		return Entry{Digest: m.RetiredDigest}.digest(), true
	}
	return m.entries[i-1].digest(), true
}

// strays are files that the manifest does not name.
func (a *Archive) strays(ctx context.Context) (names []string, err error) {
	files, err := a.store.List(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{manifestName: true}
	for _, e := range a.Files() {
		known[e.Name] = true
	}
	for _, f := range files {
		if !known[f.Name] {
			names = append(names, f.Name)
		}
	}
	return names, nil
}

// Repair writes damaged and missing files again from the stream, as far as it
// holds them, and makes a damaged manifest again from the files. It says what it
// did; what it could not repair is an error.
func (s *Sequence) Repair(ctx context.Context) (done []string, err error) {
	a := s.archive
	first, _, err := s.stream.Last(ctx, a.stream)
	if err != nil {
		return nil, err
	}
	a.change.Lock()
	defer a.change.Unlock()
	if cause := a.Trouble(); cause != nil {
		m, err := a.rebuild(ctx, first)
		if err != nil {
			return nil, fmt.Errorf("%w; and it cannot be made again: %w", cause, err)
		}
		if err := a.replace(ctx, m); err != nil {
			return nil, err
		}
		done = append(done, fmt.Sprintf("the manifest was made again from %d files (%v)", len(m.entries), cause))
	}
	var left error
	for _, e := range a.Files() {
		bad := a.readFile(ctx, e, 0, 1<<63, func(*diary.Batch) error { return nil })
		if bad == nil {
			continue
		}
		if e.First < first || ctx.Err() != nil {
			left = errors.Join(left, advise(bad, e, first))
			continue
		}
		if err := s.rewrite(ctx, e); err != nil {
			left = errors.Join(left, fmt.Errorf("%w; writing it again: %w", bad, err))
			continue
		}
		done = append(done, fmt.Sprintf("%s was written again from the stream (%v)", e.Name, bad))
	}
	return done, left
}

// rewrite writes a file again from the stream. Its content must be that which
// the manifest has the digest of.
func (s *Sequence) rewrite(ctx context.Context, e Entry) error {
	a := s.archive
	prev, ok := a.before(e)
	if !ok {
		return fmt.Errorf("%s is not in the manifest: %w", e.Name, fs.ErrNotExist)
	}
	enc, err := newEncoder()
	if err != nil {
		return err
	}
	p, err := a.store.Create(ctx, "repair")
	if err != nil {
		return err
	}
	defer func() { _ = p.Discard() }()
	w, err := newFileWriter(p, enc, a.stream, e.First, prev)
	if err != nil {
		return err
	}
	if err := s.stream.Read(ctx, a.stream, e.First, e.Last, w.add); err != nil {
		return err
	}
	fresh, err := w.finish()
	switch {
	case err != nil:
		return err
	case fresh.Digest != e.Digest:
		return fmt.Errorf("the stream's batches %d to %d are not those that were archived (digest %s, was %s)", e.First, e.Last, fresh.Digest, e.Digest)
	}
	if err := p.Commit(e.Name); err != nil {
		return err
	}
	m := *a.current()
	m.entries = slices.Clone(m.entries)
	m.entries[slices.Index(m.entries, e)] = fresh // another compressor may need other bytes
	return a.replace(ctx, &m)
}

// rebuild makes a manifest from the files alone: as many as are whole and form
// one chain that reaches the stream.
func (a *Archive) rebuild(ctx context.Context, streamFirst uint64) (*manifest, error) {
	files, err := a.store.List(ctx)
	if err != nil {
		return nil, err
	}
	m, cause := &manifest{Stream: a.stream}, error(nil)
	for _, f := range files {
		first, last, ok := rangeOf(f.Name)
		if !ok {
			continue
		}
		foot, err := a.footerOf(ctx, f)
		if err != nil {
			cause = &Damage{File: f.Name, Offset: f.Size - footerSize, First: first, Last: last, Err: err}
			break
		}
		if len(m.entries) == 0 && first > 1 {
			m.Retired, m.RetiredDigest = first-1, fmt.Sprintf("%x", foot.prev)
		}
		if next, prev := m.next(); first != next || foot.prev != prev {
			cause = &Damage{File: f.Name, Offset: -1, First: first, Last: last, Err: damaged("it does not follow batch %d", next-1)}
			break
		}
		m.entries = append(m.entries, entryOf(foot, f.Size))
	}
	if next, _ := m.next(); next < streamFirst {
		return nil, errors.Join(cause, fmt.Errorf("the files that are whole end at batch %d, and the stream begins at %d", next-1, streamFirst))
	}
	return m, nil
}
