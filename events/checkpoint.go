package events

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Numbers of the checkpoint format; FORMAT.md draws it.
const (
	usedMagic   = "MzU\x01"
	usedHead    = 4 + 4 + 8 + 8*int(UseCount) + 4
	usedSetHead = 8 + 4 + 2 + 2 + 1 + 1 + 4
)

type usedEntry struct {
	key   usedKey
	shard int
	set   *roaring.Bitmap
}

// AppendCheckpoint appends the encoded set to dst. position is the stream
// sequence up to which it was fed; a restart loads it and applies the rest.
func (u *Used) AppendCheckpoint(dst []byte, position uint64) ([]byte, error) {
	at, le := len(dst), binary.LittleEndian
	dst = append(dst, usedMagic...)
	dst = le.AppendUint32(dst, 0) // length, below
	dst = le.AppendUint64(dst, position)
	for i := range u.floor {
		dst = le.AppendUint64(dst, uint64(u.floor[i].Load()))
	}
	countAt, count := len(dst), uint32(0)
	dst = le.AppendUint32(dst, 0)
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		for _, e := range sortedSets(s.sets) {
			raw, err := e.set.ToBytes()
			if err != nil {
				s.mu.Unlock()
				return dst[:at], fmt.Errorf("checkpoint of used tokens: %w", err)
			}
			dst = le.AppendUint64(dst, uint64(e.key.hour))
			dst = le.AppendUint32(dst, e.key.generation)
			dst = le.AppendUint16(dst, e.key.partition)
			dst = le.AppendUint16(dst, e.key.high)
			dst = append(dst, byte(e.key.use), byte(i))
			dst = le.AppendUint32(dst, uint32(len(raw)))
			dst = append(dst, raw...)
			count++
		}
		s.mu.Unlock()
	}
	le.PutUint32(dst[countAt:], count)
	le.PutUint32(dst[at+4:], uint32(len(dst)-at+4))
	return le.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli)), nil
}

func sortedSets(sets map[usedKey]*roaring.Bitmap) []usedEntry {
	out := make([]usedEntry, 0, len(sets))
	for key, set := range sets {
		out = append(out, usedEntry{key: key, set: set})
	}
	slices.SortFunc(out, func(a, b usedEntry) int {
		return cmp.Or(cmp.Compare(a.key.hour, b.key.hour), cmp.Compare(a.key.use, b.key.use),
			cmp.Compare(a.key.partition, b.key.partition), cmp.Compare(a.key.generation, b.key.generation),
			cmp.Compare(a.key.high, b.key.high))
	})
	return out
}

// LoadUsed reads a checkpoint. Any damaged byte is an error; the caller then
// rebuilds from the stream instead.
func LoadUsed(b []byte) (u *Used, position uint64, err error) {
	le := binary.LittleEndian
	if len(b) < usedHead+4 || string(b[:3]) != usedMagic[:3] {
		return nil, 0, damaged("not a checkpoint of used tokens (%d bytes)", len(b))
	}
	if b[3] != usedMagic[3] {
		return nil, 0, fmt.Errorf("%w: checkpoint format v%d, this build reads v%d", ErrVersion, b[3], usedMagic[3])
	}
	if n := le.Uint32(b[4:]); uint64(n) != uint64(len(b)) {
		return nil, 0, damaged("a checkpoint says it has %d bytes, %d are there", n, len(b))
	}
	body := b[:len(b)-4]
	if got, want := crc32.Checksum(body, castagnoli), le.Uint32(b[len(body):]); got != want {
		return nil, 0, damaged("checkpoint checksum is %08x, stored %08x", got, want)
	}
	u = NewUsed()
	c := cursor{b: body[8:]}
	position = c.u64()
	for i := range u.floor {
		u.floor[i].Store(int64(c.u64()))
	}
	for n := c.u32(); n > 0; n-- {
		e, err := readUsedSet(&c)
		if err != nil {
			return nil, 0, err
		}
		u.shards[e.shard].sets[e.key] = e.set
	}
	if c.short || len(c.b) != 0 {
		return nil, 0, damaged("a checkpoint's sets do not fill its length")
	}
	return u, position, nil
}

func readUsedSet(c *cursor) (e usedEntry, err error) {
	e.key = usedKey{hour: int64(c.u64()), generation: c.u32(), partition: c.u16(), high: c.u16(), use: Use(c.u8())}
	e.shard = int(c.u8())
	raw := c.take(int(c.u32()))
	if c.short || e.key.use >= UseCount || e.shard >= usedShards {
		return e, damaged("a set of a checkpoint is cut short or names use %d, shard %d", e.key.use, e.shard)
	}
	e.set = roaring.New()
	if err := e.set.UnmarshalBinary(raw); err != nil {
		return e, damaged("a set of a checkpoint: %v", err)
	}
	return e, nil
}
