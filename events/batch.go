package events

import (
	"encoding/binary"
	"fmt"
)

// BatchWriter collects encoded records into one batch: one message of the log,
// on disk or not at all. Its zero value is an empty batch.
type BatchWriter struct {
	buf   []byte
	count uint32
}

// Reset empties the batch and keeps its memory.
func (w *BatchWriter) Reset() { w.buf, w.count = w.buf[:0], 0 }

// Add appends one record as Encoder.Append wrote it. The caller keeps the batch
// within MaxBatch (Size).
func (w *BatchWriter) Add(record []byte) {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, make([]byte, BatchOverhead)...)
	}
	w.buf = append(w.buf, record...)
	w.count++
}

// Size is the encoded size in bytes.
func (w *BatchWriter) Size() int { return max(len(w.buf), BatchOverhead) }

// Count is the number of records.
func (w *BatchWriter) Count() int { return int(w.count) }

// Finish closes the batch. writer names who wrote it, number counts its batches
// without gaps, timeMS is when it was closed. The result is the writer's memory
// until Reset.
func (w *BatchWriter) Finish(writer, number uint64, timeMS int64) []byte {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, make([]byte, BatchOverhead)...)
	}
	b, le := w.buf, binary.LittleEndian
	b[0], b[1], b[2], b[3] = batchMagic0, batchMagic1, batchMagic2, formatVersion
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[12:], w.count)
	le.PutUint64(b[16:], writer)
	le.PutUint64(b[24:], number)
	le.PutUint64(b[32:], uint64(timeMS))
	le.PutUint32(b[8:], sumAround(b))
	return b
}

// Batch is a batch opened for reading.
type Batch struct {
	Writer uint64 // who wrote it
	Number uint64 // its place among the batches of that writer, from 1
	TimeMS int64  // when it was closed
	Count  int    // records

	all, rest []byte
	left      int
}

// OpenBatch checks the header and the checksum of all of data, which the batch
// then refers to.
func OpenBatch(data []byte) (Batch, error) {
	le := binary.LittleEndian
	if len(data) < BatchOverhead {
		return Batch{}, damaged("a batch of %d bytes, its header alone has %d", len(data), BatchOverhead)
	}
	if data[0] != batchMagic0 || data[1] != batchMagic1 || data[2] != batchMagic2 {
		return Batch{}, damaged("a batch starts with %#x instead of \"MzB\"", data[:3])
	}
	if data[3] != formatVersion {
		return Batch{}, fmt.Errorf("%w: batch format v%d, this build reads v%d", ErrVersion, data[3], formatVersion)
	}
	if n := le.Uint32(data[4:]); uint64(n) != uint64(len(data)) || n > MaxBatch {
		return Batch{}, damaged("a batch says it has %d bytes, %d are there, the limit is %d", n, len(data), MaxBatch)
	}
	if got, want := sumAround(data), le.Uint32(data[8:]); got != want {
		return Batch{}, damaged("batch checksum is %08x, stored %08x", got, want)
	}
	b := Batch{
		Writer: le.Uint64(data[16:]), Number: le.Uint64(data[24:]), TimeMS: int64(le.Uint64(data[32:])),
		Count: int(le.Uint32(data[12:])), all: data,
	}
	if b.Count > (len(data)-BatchOverhead)/recordFixed {
		return Batch{}, damaged("a batch of %d bytes says it has %d records", len(data), b.Count)
	}
	b.Rewind()
	return b, nil
}

// Rewind starts again at the first record.
func (b *Batch) Rewind() { b.rest, b.left = b.all[BatchOverhead:], b.Count }

// Bytes is the encoded batch.
func (b *Batch) Bytes() []byte { return b.all }

// Next decodes the next record into r; ok is false at the end. Slices of r point
// into the batch.
func (b *Batch) Next(r *Record, keys Keys) (ok bool, err error) {
	if b.left == 0 {
		if len(b.rest) != 0 {
			return false, damaged("%d bytes follow the last of %d records of a batch", len(b.rest), b.Count)
		}
		return false, nil
	}
	if b.rest, err = Decode(b.rest, r, keys); err != nil {
		return false, fmt.Errorf("record %d of %d of a batch: %w", b.Count-b.left+1, b.Count, err)
	}
	b.left--
	return true, nil
}

// Each calls fn for every record with one reused Record.
func (b *Batch) Each(keys Keys, fn func(*Record) error) error {
	var r Record
	for b.Rewind(); ; {
		ok, err := b.Next(&r, keys)
		if err != nil || !ok {
			return err
		}
		if err := fn(&r); err != nil {
			return err
		}
	}
}
