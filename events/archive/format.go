package archive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"mazad/events"
)

// Every part of a file begins alike: magic 3, version 1, length 4 of the part
// (the header's and footer's are fixed), CRC32C 4 over the part without the
// checksum itself. FORMAT.md draws the parts.
const (
	formatVersion = 1
	partHead      = 12

	headerMagic, blockMagic, indexMagic, footerMagic = "MzA", "MzK", "MzI", "MzF"

	headerSize = 64
	blockHead  = 32
	indexEntry = 24
	footerSize = 144
	batchHead  = 12 // stored ns 8, length 4, before each batch of a block

	// MaxStream is the longest name of a stream that fits a header.
	MaxStream = 32

	codecZstd = 1
)

// Limits of one file. Reading refuses what passes them before memory is taken.
const (
	blockTarget = 1 << 20                               // a block is closed at this many bytes before compression
	maxBlock    = blockTarget + events.MaxBatch + 1<<10 // ... plus the batch that closed it
	maxFile     = 4 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumAround(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:8], castagnoli), castagnoli, b[partHead:])
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{events.ErrDamaged}, args...)...)
}

// sealPart writes the head of the part that b is.
func sealPart(b []byte, magic string) {
	copy(b, magic)
	b[3] = formatVersion
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[8:], sumAround(b))
}

// openPart checks the head and the checksum of the part that b is.
func openPart(b []byte, magic, what string) error {
	switch {
	case len(b) < partHead:
		return damaged("%s has %d bytes, its head alone has %d", what, len(b), partHead)
	case string(b[:3]) != magic:
		return damaged("%s starts with %q instead of %q", what, b[:3], magic)
	case b[3] != formatVersion:
		return fmt.Errorf("%w: %s of archive format v%d, this build reads v%d", events.ErrVersion, what, b[3], formatVersion)
	case uint64(binary.LittleEndian.Uint32(b[4:])) != uint64(len(b)):
		return damaged("%s says it has %d bytes, %d are there", what, binary.LittleEndian.Uint32(b[4:]), len(b))
	}
	if got, want := sumAround(b), binary.LittleEndian.Uint32(b[8:]); got != want {
		return damaged("%s: checksum is %08x, stored %08x", what, got, want)
	}
	return nil
}

// header opens a file.
type header struct {
	stream string
	first  uint64
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	b[12], b[13] = codecZstd, byte(len(h.stream))
	binary.LittleEndian.PutUint64(b[16:], h.first)
	copy(b[24:24+MaxStream], h.stream)
	sealPart(b, headerMagic)
	return b
}

func decodeHeader(b []byte) (h header, err error) {
	if err := openPart(b, headerMagic, "the header"); err != nil {
		return h, err
	}
	if b[12] != codecZstd {
		return h, fmt.Errorf("%w: compression %d, this build reads %d", events.ErrVersion, b[12], codecZstd)
	}
	if b[13] > MaxStream {
		return h, damaged("the header's stream name has %d bytes, the limit is %d", b[13], MaxStream)
	}
	return header{stream: string(b[24 : 24+b[13]]), first: binary.LittleEndian.Uint64(b[16:])}, nil
}

// digest is a link of the chain over the content of all files.
type digest [32]byte

// footer closes a file.
type footer struct {
	first, last  uint64
	records      uint64
	raw          uint64 // bytes of the batches, before compression
	fromNS, toNS int64  // when the server took the first and the last batch
	indexAt      uint64
	blocks       uint32
	digest, prev digest // of this file's content, and of the file before
}

func (f footer) encode() []byte {
	b, le := make([]byte, footerSize), binary.LittleEndian
	le.PutUint32(b[12:], f.blocks)
	le.PutUint64(b[16:], f.first)
	le.PutUint64(b[24:], f.last)
	le.PutUint64(b[32:], f.records)
	le.PutUint64(b[40:], f.raw)
	le.PutUint64(b[48:], uint64(f.fromNS))
	le.PutUint64(b[56:], uint64(f.toNS))
	le.PutUint64(b[64:], f.indexAt)
	copy(b[80:], f.digest[:])
	copy(b[112:], f.prev[:])
	sealPart(b, footerMagic)
	return b
}

func decodeFooter(b []byte) (f footer, err error) {
	if err := openPart(b, footerMagic, "the footer"); err != nil {
		return f, err
	}
	le := binary.LittleEndian
	f = footer{
		blocks: le.Uint32(b[12:]), first: le.Uint64(b[16:]), last: le.Uint64(b[24:]), records: le.Uint64(b[32:]), raw: le.Uint64(b[40:]),
		fromNS: int64(le.Uint64(b[48:])), toNS: int64(le.Uint64(b[56:])), indexAt: le.Uint64(b[64:]),
	}
	copy(f.digest[:], b[80:])
	copy(f.prev[:], b[112:])
	return f, nil
}

// place is where a block lies.
type place struct {
	at    uint64
	first uint64
	toNS  int64 // when its last batch was taken
}

func encodeIndex(places []place) []byte {
	b, le := make([]byte, partHead, partHead+indexEntry*len(places)), binary.LittleEndian
	for _, p := range places {
		b = le.AppendUint64(b, p.at)
		b = le.AppendUint64(b, p.first)
		b = le.AppendUint64(b, uint64(p.toNS))
	}
	sealPart(b, indexMagic)
	return b
}

func decodeIndex(b []byte, f footer) ([]place, error) {
	if err := openPart(b, indexMagic, "the index"); err != nil {
		return nil, err
	}
	body, le := b[partHead:], binary.LittleEndian
	if len(body) != indexEntry*int(f.blocks) {
		return nil, damaged("the index has %d bytes for %d blocks", len(body), f.blocks)
	}
	places := make([]place, f.blocks)
	for i := range places {
		e := body[i*indexEntry:]
		places[i] = place{at: le.Uint64(e), first: le.Uint64(e[8:]), toNS: int64(le.Uint64(e[16:]))}
		if before := i - 1; i > 0 && (places[before].at >= places[i].at || places[before].first >= places[i].first) {
			return nil, damaged("entry %d of the index does not follow the one before", i)
		}
	}
	if len(places) == 0 || places[0].at != headerSize || places[0].first != f.first || places[len(places)-1].at >= f.indexAt {
		return nil, damaged("the index does not begin at the first batch, %d", f.first)
	}
	return places, nil
}

// blockInfo is the head of a block.
type blockInfo struct {
	raw     uint32
	first   uint64
	batches uint32
}

// sealBlock writes the head of a block whose compressed batches follow it in b.
func sealBlock(b []byte, i blockInfo) {
	le := binary.LittleEndian
	le.PutUint32(b[12:], i.raw)
	le.PutUint64(b[16:], i.first)
	le.PutUint32(b[24:], i.batches)
	sealPart(b, blockMagic)
}

func openBlock(b []byte) (i blockInfo, packed []byte, err error) {
	if len(b) < blockHead {
		return i, nil, damaged("a block has %d bytes, its head alone has %d", len(b), blockHead)
	}
	if err := openPart(b, blockMagic, "a block"); err != nil {
		return i, nil, err
	}
	le := binary.LittleEndian
	i = blockInfo{raw: le.Uint32(b[12:]), first: le.Uint64(b[16:]), batches: le.Uint32(b[24:])}
	if i.raw > maxBlock || i.batches == 0 {
		return i, nil, damaged("a block has %d batches in %d bytes, the limit is %d", i.batches, i.raw, maxBlock)
	}
	return i, b[blockHead:], nil
}
