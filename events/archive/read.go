package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"time"

	"mazad/events"
	"mazad/events/diary"

	"github.com/klauspost/compress/zstd"
)

// Damage is a part of the archive that cannot be read as it was written. It
// wraps events.ErrDamaged, events.ErrVersion or fs.ErrNotExist.
type Damage struct {
	File        string
	Offset      int64 // where the damaged part begins; -1 when the whole file is concerned
	First, Last uint64
	Err         error
}

func (d *Damage) Error() string {
	at := ""
	if d.Offset >= 0 {
		at = fmt.Sprintf(", offset %d", d.Offset)
	}
	what := ""
	if d.Last > 0 {
		what = fmt.Sprintf(" (batches %d to %d)", d.First, d.Last)
	}
	return fmt.Sprintf("archive file %s%s%s: %v", d.File, at, what, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }

// fileReader is an open file whose header, index and footer were checked.
type fileReader struct {
	entry  Entry
	stream string
	f      File
	dec    *zstd.Decoder
	foot   footer
	places []place
	buf    []byte
	raw    []byte
}

// openFile opens a file of the manifest and checks everything but its blocks.
func openFile(ctx context.Context, s Store, e Entry, stream string, dec *zstd.Decoder) (*fileReader, error) {
	f, err := s.Open(ctx, e.Name)
	if errors.Is(err, fs.ErrNotExist) {
		err = missing(err)
	}
	if err != nil {
		return nil, &Damage{File: e.Name, Offset: -1, First: e.First, Last: e.Last, Err: err}
	}
	r := &fileReader{entry: e, stream: stream, f: f, dec: dec}
	if at, err := r.open(); err != nil {
		_ = f.Close()
		return nil, r.damage(at, e.First, e.Last, err)
	}
	return r, nil
}

func missing(err error) error { return fmt.Errorf("the file is missing: %w", err) }

func wrongSize(size, want int64) error {
	return damaged("the file has %d bytes, %d were written", size, want)
}

func (r *fileReader) damage(at int64, first, last uint64, err error) *Damage {
	return &Damage{File: r.entry.Name, Offset: at, First: first, Last: last, Err: err}
}

// open reads the ends of the file; at is where the damage is.
func (r *fileReader) open() (at int64, err error) {
	size := r.f.Size()
	if size != r.entry.Bytes {
		return min(size, r.entry.Bytes), wrongSize(size, r.entry.Bytes)
	}
	if size < headerSize+footerSize || size > maxFile {
		return 0, damaged("a file of %d bytes", size)
	}
	b := make([]byte, headerSize)
	if err := r.at(b, 0); err != nil {
		return 0, err
	}
	h, err := decodeHeader(b)
	if err != nil {
		return 0, err
	}
	if h.stream != r.stream || h.first != r.entry.First {
		return 0, damaged("it holds stream %q from batch %d, not %q from %d: another file was put in its place", h.stream, h.first, r.stream, r.entry.First)
	}
	b = make([]byte, footerSize)
	at = size - footerSize
	if err := r.at(b, at); err != nil {
		return at, err
	}
	if r.foot, err = decodeFooter(b); err != nil {
		return at, err
	}
	if got := entryOf(r.foot, size); got != r.entry {
		return at, damaged("the footer (batches %d to %d, digest %s) is not that of the manifest (%d to %d, %s): another file was put in its place",
			got.First, got.Last, got.Digest, r.entry.First, r.entry.Last, r.entry.Digest)
	}
	if r.foot.indexAt < headerSize || r.foot.indexAt > uint64(at) {
		return at, damaged("the footer says that the index is at %d", r.foot.indexAt)
	}
	b = make([]byte, at-int64(r.foot.indexAt))
	at = int64(r.foot.indexAt)
	if err := r.at(b, at); err != nil {
		return at, err
	}
	r.places, err = decodeIndex(b, r.foot)
	return at, err
}

func (r *fileReader) at(b []byte, off int64) error {
	if n, err := r.f.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("read %d bytes: %w", len(b), err)
	}
	return nil
}

func (r *fileReader) close() { _ = r.f.Close() }

// each calls fn for the batches from..to that the file has. A file that is read
// from end to end is also compared with its digest.
func (r *fileReader) each(from, to uint64, fn func(*diary.Batch) error) error {
	from, to = max(from, r.foot.first), min(to, r.foot.last)
	whole := from == r.foot.first && to == r.foot.last
	sum, records := newChain(r.foot.prev), uint64(0)
	i := sort.Search(len(r.places), func(i int) bool { return r.places[i].first > from }) - 1
	for ; i < len(r.places) && r.places[i].first <= to; i++ {
		err := r.block(i, func(b *diary.Batch) error {
			if whole {
				link(sum, b.Seq, b.Bytes())
				records += uint64(b.Count)
			}
			if b.Seq < from || b.Seq > to {
				return nil
			}
			return fn(b)
		})
		if err != nil {
			return err
		}
	}
	if whole && digest(sum.Sum(nil)) != r.foot.digest {
		return r.damage(headerSize, from, to, damaged("the content's digest is %x, the footer's %x", sum.Sum(nil), r.foot.digest))
	}
	if whole && records != r.foot.records {
		return r.damage(r.f.Size()-footerSize, from, to, damaged("the file has %d records, its footer says %d", records, r.foot.records))
	}
	return nil
}

// bounds are the sequences and the end of block i.
func (r *fileReader) bounds(i int) (first, last, end uint64) {
	first, last, end = r.places[i].first, r.foot.last, r.foot.indexAt
	if i+1 < len(r.places) {
		last, end = r.places[i+1].first-1, r.places[i+1].at
	}
	return first, last, end
}

// block reads and checks block i and calls fn for every batch of it; errors of fn
// are passed on as they are.
func (r *fileReader) block(i int, fn func(*diary.Batch) error) error {
	first, last, end := r.bounds(i)
	at := int64(r.places[i].at)
	bad := func(err error) error { return r.damage(at, first, last, err) }
	if end-r.places[i].at > maxBlock+blockHead {
		return bad(damaged("a block of %d bytes, the limit is %d", end-r.places[i].at, maxBlock))
	}
	r.buf = grow(r.buf, int(end-r.places[i].at))
	if err := r.at(r.buf, at); err != nil {
		return bad(err)
	}
	info, packed, err := openBlock(r.buf)
	if err != nil {
		return bad(err)
	}
	if info.first != first || uint64(info.batches) != last-first+1 {
		return bad(damaged("the block has %d batches from %d, the index says %d to %d", info.batches, info.first, first, last))
	}
	if r.raw, err = r.dec.DecodeAll(packed, r.raw[:0]); err != nil || len(r.raw) != int(info.raw) {
		return bad(damaged("the block unpacks to %d bytes instead of %d: %v", len(r.raw), info.raw, err))
	}
	rest, le := r.raw, binary.LittleEndian
	for seq := first; seq <= last; seq++ {
		if len(rest) < batchHead || uint64(len(rest)-batchHead) < uint64(le.Uint32(rest[8:])) {
			return bad(damaged("batch %d is cut short", seq))
		}
		n := batchHead + int(le.Uint32(rest[8:]))
		opened, err := events.OpenBatch(rest[batchHead:n])
		if err != nil {
			return bad(fmt.Errorf("batch %d: %w", seq, err))
		}
		if err := fn(&diary.Batch{Stream: r.stream, Seq: seq, Stored: time.Unix(0, int64(le.Uint64(rest))).UTC(), Batch: opened}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if len(rest) != 0 {
		return bad(damaged("%d bytes follow the last batch", len(rest)))
	}
	return nil
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
