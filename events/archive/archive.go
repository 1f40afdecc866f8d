package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"sync"

	"mazad/events"
	"mazad/events/diary"

	"github.com/klauspost/compress/zstd"
)

// Archive is the sealed files of one stream.
type Archive struct {
	store  Store
	stream string
	dec    *zstd.Decoder // used with DecodeAll only, which is stateless

	mu       sync.RWMutex // guards the pointers; what they point to never changes
	manifest *manifest
	broken   error   // why the manifest is not to be trusted; nil when all is well
	suspects []error // files that were missing or cut when the archive was opened

	change sync.Mutex // held by whoever adds, removes or repairs files
}

// Open reads the manifest and compares it with the files that are there. A
// damaged archive opens too, because ads are served and billed without it: Trouble
// says what is wrong, reading what is damaged fails, and nothing is purged.
func Open(ctx context.Context, store Store, stream string) (*Archive, error) {
	if stream == "" || len(stream) > MaxStream {
		return nil, fmt.Errorf("archive: stream %q, want 1 to %d bytes", stream, MaxStream)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a := &Archive{store: store, stream: stream, dec: dec}
	a.manifest, a.broken = readManifest(ctx, store, stream)
	var damage *Damage
	if a.broken != nil && (!errors.As(a.broken, &damage) || errors.Is(a.broken, events.ErrVersion)) {
		return nil, fmt.Errorf("archive in %s: %w", store.Where(), a.broken)
	}
	return a, a.compare(ctx)
}

// compare takes in what a crash left between a file and its manifest.
func (a *Archive) compare(ctx context.Context) error {
	if a.broken != nil {
		return nil
	}
	files, err := a.store.List(ctx)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f Info) bool { return !strings.HasSuffix(f.Name, fileSuffix) })
	if a.manifest == nil {
		a.manifest = &manifest{Stream: a.stream}
		// One file may be the first, whose manifest was not written yet.
		if first, _, _ := nameOf(files); len(files) > 1 || len(files) == 1 && first != 1 {
			a.broken = &Damage{File: manifestName, Offset: -1, Err: damaged("it is missing, and %d files are there", len(files))}
			return nil
		}
	}
	a.suspects = suspectsOf(a.manifest, files)
	for _, f := range files {
		first, last, ok := rangeOf(f.Name)
		next, _ := a.manifest.next()
		switch {
		case !ok:
		case last <= a.manifest.Retired: // retention was interrupted
			err = errors.Join(err, a.store.Remove(ctx, f.Name))
		case first == next:
			err = errors.Join(err, a.adopt(ctx, f))
		}
	}
	return err
}

// suspectsOf are the files that are missing or have another size than was
// written; what is damaged inside is found when it is read.
func suspectsOf(m *manifest, files []Info) (bad []error) {
	sizes := make(map[string]int64, len(files))
	for _, f := range files {
		sizes[f.Name] = f.Size
	}
	for _, e := range m.entries {
		size, ok := sizes[e.Name]
		switch {
		case !ok:
			bad = append(bad, &Damage{File: e.Name, Offset: -1, First: e.First, Last: e.Last, Err: missing(fs.ErrNotExist)})
		case size != e.Bytes:
			bad = append(bad, &Damage{File: e.Name, Offset: min(size, e.Bytes), First: e.First, Last: e.Last, Err: wrongSize(size, e.Bytes)})
		}
	}
	return bad
}

// Suspects are the files that were missing or cut when the archive was opened.
func (a *Archive) Suspects() []error { return a.suspects }

func nameOf(files []Info) (first, last uint64, ok bool) {
	if len(files) == 0 {
		return 0, 0, false
	}
	return rangeOf(files[0].Name)
}

func rangeOf(name string) (first, last uint64, ok bool) {
	n, err := fmt.Sscanf(name, "%d-%d"+fileSuffix, &first, &last)
	return first, last, n == 2 && err == nil && first > 0 && first <= last
}

// adopt adds a sealed file that the manifest does not know yet, when it is whole
// and continues the chain. One that does not is left where it is.
func (a *Archive) adopt(ctx context.Context, f Info) error {
	e, err := a.inspect(ctx, f)
	if err != nil {
		return nil
	}
	return a.add(ctx, e)
}

// inspect reads a file that no manifest vouches for from end to end.
func (a *Archive) inspect(ctx context.Context, f Info) (e Entry, err error) {
	foot, err := a.footerOf(ctx, f)
	if err != nil {
		return e, err
	}
	if _, prev := a.current().next(); foot.prev != prev {
		return e, damaged("it does not continue the chain")
	}
	if e = entryOf(foot, f.Size); e.Name != f.Name {
		return e, damaged("its footer says that it is %s", e.Name)
	}
	return e, a.readFile(ctx, e, 0, 1<<63, func(*diary.Batch) error { return nil })
}

func (a *Archive) footerOf(ctx context.Context, f Info) (foot footer, err error) {
	file, err := a.store.Open(ctx, f.Name)
	if err != nil {
		return foot, err
	}
	defer func() { _ = file.Close() }()
	if f.Size < headerSize+footerSize {
		return foot, damaged("a file of %d bytes", f.Size)
	}
	b := make([]byte, footerSize)
	if n, err := file.ReadAt(b, f.Size-footerSize); n < len(b) {
		return foot, err
	}
	return decodeFooter(b)
}

func (a *Archive) current() *manifest {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.manifest
}

// Trouble is why the archive cannot be written or trusted as a whole; nil when
// all is well. Damage of single files is found by Check.
func (a *Archive) Trouble() error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.broken
}

// Stream is the name of the archived stream.
func (a *Archive) Stream() string { return a.stream }

// Files are the sealed files, oldest first.
func (a *Archive) Files() []Entry {
	if m := a.current(); m != nil {
		return m.entries
	}
	return nil
}

// Range is the first and last archived batch; last is 0 when there is none.
// Batches before first were removed by retention.
func (a *Archive) Range() (first, last uint64) {
	m := a.current()
	if m == nil {
		return 0, 0
	}
	next, _ := m.next()
	return m.Retired + 1, next - 1
}

// Read calls fn for the archived batches from..to, both included, in order. What
// was removed by retention is a *diary.GapError, what is damaged a *Damage.
func (a *Archive) Read(ctx context.Context, from, to uint64, fn func(*diary.Batch) error) error {
	if err := a.Trouble(); err != nil {
		return err
	}
	m := a.current()
	if from = max(from, 1); from <= m.Retired && from <= to {
		return &diary.GapError{Stream: a.stream, Want: from, Next: m.Retired + 1}
	}
	i := sort.Search(len(m.entries), func(i int) bool { return m.entries[i].Last >= from })
	for ; i < len(m.entries) && m.entries[i].First <= to; i++ {
		if err := a.readFile(ctx, m.entries[i], from, to, fn); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) readFile(ctx context.Context, e Entry, from, to uint64, fn func(*diary.Batch) error) error {
	r, err := openFile(ctx, a.store, e, a.stream, a.dec)
	if err != nil {
		return err
	}
	defer r.close()
	return r.each(from, to, func(b *diary.Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(b)
	})
}

// add names a sealed file in the manifest.
func (a *Archive) add(ctx context.Context, e Entry) error {
	a.mu.RLock()
	m := *a.manifest
	a.mu.RUnlock()
	if next, _ := m.next(); e.First != next {
		return fmt.Errorf("archive: file %s does not follow batch %d", e.Name, next-1)
	}
	if len(m.entries) >= maxFiles {
		return fmt.Errorf("archive: %d files, the limit is %d: seal larger files", len(m.entries), maxFiles)
	}
	m.entries = append(slices.Clone(m.entries), e)
	return a.replace(ctx, &m)
}

// replace makes m durable and then current.
func (a *Archive) replace(ctx context.Context, m *manifest) error {
	if err := m.write(ctx, a.store); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manifest, a.broken = m, nil
	return nil
}

// retire removes the oldest files as long as final says so: first from the
// manifest, then from the store.
func (a *Archive) retire(ctx context.Context, final func(Entry) bool) (removed []Entry, err error) {
	a.change.Lock()
	defer a.change.Unlock()
	m := *a.current()
	for len(m.entries) > 0 && final(m.entries[0]) {
		removed = append(removed, m.entries[0])
		m.Retired, m.RetiredDigest, m.entries = m.entries[0].Last, m.entries[0].Digest, m.entries[1:]
	}
	if len(removed) == 0 {
		return nil, nil
	}
	if err := a.replace(ctx, &m); err != nil {
		return nil, err
	}
	for _, e := range removed {
		err = errors.Join(err, a.store.Remove(ctx, e.Name))
	}
	return removed, err
}
