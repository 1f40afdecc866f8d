package prediction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"mazad/internal/id"
)

// Checkpoint format 1: "MZPC", version byte 1; the global counts; then three
// tables (campaigns, ad groups, ads), each a length and its rows in ascending
// id: id less the previous row's, parent (ad groups and ads), counts. All
// numbers are unsigned varints. CRC-32C of everything before it, 4 bytes,
// little-endian. The same counts always give the same bytes.
const (
	checkpointMagic   = "MZPC"
	checkpointVersion = 1
)

// ErrCheckpoint is what every refused checkpoint wraps.
var ErrCheckpoint = errors.New("not a usable prediction checkpoint")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendCheckpoint appends everything the learner knows to dst.
func (l *Learner) AppendCheckpoint(dst []byte) []byte {
	from := len(dst)
	dst = append(append(dst, checkpointMagic...), checkpointVersion)
	dst = appendCounts(dst, &l.global)
	dst = binary.AppendUvarint(dst, l.untracked)
	dst = appendTable(dst, l.campaigns, func(dst []byte, c *counts) []byte { return appendCounts(dst, c) })
	dst = appendTable(dst, l.adGroups, func(dst []byte, g *groupCounts) []byte {
		return appendCounts(binary.AppendUvarint(dst, uint64(g.campaign)), &g.counts)
	})
	dst = appendTable(dst, l.ads, func(dst []byte, a *adCounts) []byte {
		return appendCounts(binary.AppendUvarint(dst, uint64(a.adGroup)), &a.counts)
	})
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

func appendCounts(dst []byte, c *counts) []byte {
	for _, n := range c {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func appendTable[K ~int64, V any](dst []byte, table map[K]V, row func([]byte, V) []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(table)))
	last := uint64(0)
	for _, k := range slices.Sorted(maps.Keys(table)) {
		n := uint64(k)
		dst = row(binary.AppendUvarint(dst, n-last), table[k])
		last = n
	}
	return dst
}

// Restore returns a learner with the counts of a checkpoint. Its configuration
// is cfg's: strengths may change between lives, counts do not depend on them.
func Restore(cfg Config, checkpoint []byte) (*Learner, error) {
	l, err := NewLearner(cfg)
	if err != nil {
		return nil, err
	}
	head := len(checkpointMagic) + 1
	if len(checkpoint) < head+4 || string(checkpoint[:len(checkpointMagic)]) != checkpointMagic {
		return nil, fmt.Errorf("%w: %d bytes do not begin with %s", ErrCheckpoint, len(checkpoint), checkpointMagic)
	}
	if v := checkpoint[head-1]; v != checkpointVersion {
		return nil, fmt.Errorf("%w: version %d, this build reads %d", ErrCheckpoint, v, checkpointVersion)
	}
	body := checkpoint[:len(checkpoint)-4]
	if got, want := crc32.Checksum(body, castagnoli), binary.LittleEndian.Uint32(checkpoint[len(body):]); got != want {
		return nil, fmt.Errorf("%w: checksum is %08x, want %08x", ErrCheckpoint, got, want)
	}
	r := reader{rest: body[head:]}
	r.counts(&l.global)
	l.untracked = r.number("untracked")
	r.table("campaigns", func(n uint64) {
		c := new(counts)
		r.counts(c)
		l.campaigns[id.Campaign(n)] = c
	})
	r.table("ad_groups", func(n uint64) {
		g := &groupCounts{campaign: id.Campaign(r.number("campaign"))}
		r.counts(&g.counts)
		l.adGroups[id.AdGroup(n)] = g
	})
	r.table("ads", func(n uint64) {
		a := &adCounts{adGroup: id.AdGroup(r.number("ad_group"))}
		r.counts(&a.counts)
		l.ads[id.Ad(n)] = a
	})
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%w: %d bytes too many", ErrCheckpoint, len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return l, nil
}

// reader takes varints off rest; after the first mistake it returns zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) number(field string) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err = fmt.Errorf("%w: %s ends early or overflows, %d bytes before the end", ErrCheckpoint, field, len(r.rest))
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) counts(c *counts) {
	for i := range c {
		c[i] = r.number("counts")
	}
}

func (r *reader) table(name string, row func(n uint64)) {
	rows := r.number(name)
	if rows > uint64(len(r.rest)) { // a row has at least four bytes
		r.err = fmt.Errorf("%w: %s has %d rows in %d bytes", ErrCheckpoint, name, rows, len(r.rest))
		return
	}
	last := uint64(0)
	for i := range rows {
		step := r.number(name)
		if r.err == nil && step == 0 && i > 0 {
			r.err = fmt.Errorf("%w: %s row %d repeats id %d", ErrCheckpoint, name, i, last)
		}
		if r.err != nil {
			return
		}
		last += step
		row(last)
	}
}
