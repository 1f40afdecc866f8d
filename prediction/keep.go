package prediction

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"mazad/internal/id"
)

// errCounts is the answer to bytes that AppendCounts did not write.
var errCounts = errors.New("prediction: the counts are cut short or damaged")

// AppendCounts appends everything that was observed, in an order of its own, so
// that a start need not read it all from the diary again.
func (l *Learner) AppendCounts(dst []byte) []byte {
	put := func(c *counts) {
		for _, n := range c {
			dst = binary.AppendUvarint(dst, n)
		}
	}
	put(&l.global)
	dst = binary.AppendUvarint(dst, l.untracked)
	dst = binary.AppendUvarint(dst, uint64(len(l.campaigns)))
	for _, k := range sorted(l.campaigns) {
		dst = binary.AppendUvarint(dst, uint64(k))
		put(l.campaigns[k])
	}
	dst = binary.AppendUvarint(dst, uint64(len(l.adGroups)))
	for _, k := range sorted(l.adGroups) {
		g := l.adGroups[k]
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(k)), uint64(g.campaign))
		put(&g.counts)
	}
	dst = binary.AppendUvarint(dst, uint64(len(l.ads)))
	for _, k := range sorted(l.ads) {
		a := l.ads[k]
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(k)), uint64(a.adGroup))
		put(&a.counts)
	}
	return dst
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// LoadCounts takes what AppendCounts wrote into a Learner that has seen nothing.
func (l *Learner) LoadCounts(b []byte) error {
	r := countReader{b: b}
	r.counts(&l.global)
	l.untracked = r.next()
	for n := r.size(); n > 0; n-- {
		k, c := id.Campaign(r.next()), new(counts)
		r.counts(c)
		l.campaigns[k] = c
	}
	for n := r.size(); n > 0; n-- {
		k, g := id.AdGroup(r.next()), &groupCounts{campaign: id.Campaign(r.next())}
		r.counts(&g.counts)
		l.adGroups[k] = g
	}
	for n := r.size(); n > 0; n-- {
		k, a := id.Ad(r.next()), &adCounts{adGroup: id.AdGroup(r.next())}
		r.counts(&a.counts)
		l.ads[k] = a
	}
	if r.bad || len(r.b) > 0 {
		return errCounts
	}
	return nil
}

type countReader struct {
	b   []byte
	bad bool
}

func (r *countReader) next() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// size is a number of entries; each takes a byte at least.
func (r *countReader) size() uint64 {
	n := r.next()
	if n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return n
}

func (r *countReader) counts(c *counts) {
	for i := range c {
		c[i] = r.next()
	}
}
