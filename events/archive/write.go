package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"mazad/events/diary"

	"github.com/klauspost/compress/zstd"
)

// fileWriter writes one file, from its header to its footer. The same batches
// give the same content digest, whatever compressor wrote them.
type fileWriter struct {
	out    io.Writer
	enc    *zstd.Encoder
	at     uint64
	foot   footer
	places []place
	sum    hash.Hash

	raw, packed []byte // the block under construction, and its compressed form
	block       blockInfo
}

// newFileWriter begins a file of the stream at batch first, after a file with
// the digest prev.
func newFileWriter(out io.Writer, enc *zstd.Encoder, stream string, first uint64, prev digest) (*fileWriter, error) {
	w := &fileWriter{out: out, enc: enc, foot: footer{first: first, last: first - 1, prev: prev}, sum: newChain(prev)}
	return w, w.write(header{stream: stream, first: first}.encode())
}

func newEncoder() (*zstd.Encoder, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return enc, nil
}

// newChain begins the digest of a file's content: it covers the digest before it.
func newChain(prev digest) hash.Hash {
	h := sha256.New()
	h.Write(prev[:])
	return h
}

// link adds a batch to a digest.
func link(h hash.Hash, seq uint64, data []byte) {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], seq)
	binary.LittleEndian.PutUint64(head[8:], uint64(len(data)))
	h.Write(head[:])
	h.Write(data)
}

func (w *fileWriter) write(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("archive: write: %w", err)
	}
	w.at += uint64(len(b))
	return nil
}

// add appends the next batch.
func (w *fileWriter) add(b *diary.Batch) error {
	if b.Seq != w.foot.last+1 {
		return fmt.Errorf("archive: batch %d comes after %d", b.Seq, w.foot.last)
	}
	data, ns := b.Bytes(), b.Stored.UnixNano()
	if w.block.batches == 0 {
		w.block.first = b.Seq
	}
	w.raw = binary.LittleEndian.AppendUint64(w.raw, uint64(ns))
	w.raw = binary.LittleEndian.AppendUint32(w.raw, uint32(len(data)))
	w.raw = append(w.raw, data...)
	w.block.batches++
	if w.foot.last < w.foot.first {
		w.foot.fromNS = ns
	}
	w.foot.last, w.foot.toNS = b.Seq, ns
	w.foot.records += uint64(b.Count)
	w.foot.raw += uint64(len(data))
	link(w.sum, b.Seq, data)
	if len(w.raw) >= blockTarget {
		return w.closeBlock()
	}
	return nil
}

func (w *fileWriter) closeBlock() error {
	if w.block.batches == 0 {
		return nil
	}
	w.block.raw = uint32(len(w.raw))
	w.packed = w.enc.EncodeAll(w.raw, append(w.packed[:0], make([]byte, blockHead)...))
	sealBlock(w.packed, w.block)
	w.places = append(w.places, place{at: w.at, first: w.block.first, toNS: w.foot.toNS})
	w.raw, w.block = w.raw[:0], blockInfo{}
	return w.write(w.packed)
}

// finish writes what is left, the index and the footer, and returns the
// manifest's entry. The file is not durable yet.
func (w *fileWriter) finish() (Entry, error) {
	if err := w.closeBlock(); err != nil {
		return Entry{}, err
	}
	w.foot.indexAt, w.foot.blocks = w.at, uint32(len(w.places))
	w.sum.Sum(w.foot.digest[:0])
	if err := w.write(encodeIndex(w.places)); err != nil {
		return Entry{}, err
	}
	if err := w.write(w.foot.encode()); err != nil {
		return Entry{}, err
	}
	return entryOf(w.foot, int64(w.at)), nil
}
