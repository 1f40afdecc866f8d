package targeting

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// postings finds, for an attribute, the rules of a cell that include it or
// exclude it. A set of rules has one of three forms, by how many of the cell's
// rules are in it: a short list, a roaring bitmap, or a dense row.
type postings struct {
	table  []postingEntry // open addressing, power of two, at most half full
	shift  uint32         // 32 - log2(len(table))
	shorts []uint32
	roared []*roaring.Bitmap
}

type postingEntry struct {
	key       uint32 // attribute number + 1; 0 = free
	dimension uint32 // of include: anyInterest ...
	include   posting
	exclude   posting
}

// posting is a set of rules; count 0 is the empty set.
type posting struct {
	at    uint32 // start in shorts, index in roared, or row
	count uint32 // of shorts, or one of the marks
}

const (
	markRoaring = 1 << 31
	markDense   = markRoaring + 1

	// shortMax: up to here a plain list is smaller than a roaring bitmap with its
	// headers (about 150 bytes) and is walked without a call.
	shortMax = 32
	// denseShare: from one rule in 64 on, or-ing a row is cheaper than setting
	// bits one by one, and all such rows together cost at most 8 bytes per
	// posting.
	denseShare = 64
)

// findAll returns the entries of the request's attributes. The first pass only
// loads: its loads do not wait for each other, so that the misses of a large
// table overlap; the second finds in the caches what it follows.
func (p *postings) findAll(s *Scratch) []*postingEntry {
	s.entries = s.entries[:0]
	if len(p.table) == 0 {
		return s.entries
	}
	keys := s.keys[:0]
	mask := uint32(len(p.table) - 1)
	for _, id := range s.ids {
		keys = append(keys, p.table[(id*0x9E3779B1)>>p.shift&mask].key)
	}
	s.keys = keys
	for k, id := range s.ids {
		for i, key := (id*0x9E3779B1)>>p.shift, keys[k]; key != 0; key = p.table[i&mask].key {
			if key == id+1 {
				s.entries = append(s.entries, &p.table[i&mask])
				break
			}
			i++
		}
	}
	return s.entries
}

// set adds a set of rules to bits.
func (p *postings) set(set posting, words []uint64, c *cell, s *Scratch) {
	switch set.count {
	case markDense:
		r := c.row(row(set.at))[:len(words)]
		for i := range words {
			words[i] |= r[i]
		}
	case markRoaring:
		s.many.Initialize(p.roared[set.at])
		for {
			n := s.many.NextMany(s.buf[:])
			for _, local := range s.buf[:n] {
				words[local>>6] |= 1 << (local & 63)
			}
			if n < len(s.buf) {
				return
			}
		}
	default:
		for _, local := range p.shorts[set.at:][:set.count] {
			words[local>>6] |= 1 << (local & 63)
		}
	}
}

// clear takes a set of rules out of bits.
func (p *postings) clear(set posting, words []uint64, c *cell, s *Scratch) {
	switch set.count {
	case markDense:
		r := c.row(row(set.at))[:len(words)]
		for i := range words {
			words[i] &^= r[i]
		}
	case markRoaring:
		s.many.Initialize(p.roared[set.at])
		for {
			n := s.many.NextMany(s.buf[:])
			for _, local := range s.buf[:n] {
				words[local>>6] &^= 1 << (local & 63)
			}
			if n < len(s.buf) {
				return
			}
		}
	default:
		for _, local := range p.shorts[set.at:][:set.count] {
			words[local>>6] &^= 1 << (local & 63)
		}
	}
}

// pair is one occurrence, ordered by attribute, then include before exclude,
// then rule: attribute number (31) | exclude (1) | local number (32).
type pair uint64

func makePair(id uint32, exclude bool, local uint32) pair {
	p := pair(id)<<33 | pair(local)
	if exclude {
		p |= 1 << 32
	}
	return p
}

// build fills the postings from pairs; dimension tells which list an attribute
// number belongs to.
func (p *postings) build(c *cellBuilder, pairs []pair, dimension map[uint32]uint32) {
	slices.Sort(pairs)
	pairs = slices.Compact(pairs)
	distinct := 0
	for i := range pairs {
		if i == 0 || pairs[i]>>33 != pairs[i-1]>>33 {
			distinct++
		}
	}
	if distinct == 0 {
		return
	}
	size, log := 4, uint32(2)
	for size < 2*distinct {
		size, log = 2*size, log+1
	}
	p.table, p.shift = make([]postingEntry, size), 32-log
	for start := 0; start < len(pairs); {
		end := start + 1
		for end < len(pairs) && pairs[end]>>32 == pairs[start]>>32 {
			end++
		}
		id := uint32(pairs[start] >> 33)
		e := p.entry(id)
		set := p.store(c, pairs[start:end])
		if pairs[start]>>32&1 == 1 {
			e.exclude = set
		} else {
			e.include, e.dimension = set, dimension[id]
		}
		start = end
	}
}

// entry finds or takes the slot of an attribute.
func (p *postings) entry(id uint32) *postingEntry {
	mask := uint32(len(p.table) - 1)
	i := (id * 0x9E3779B1) >> p.shift
	for p.table[i&mask].key != 0 && p.table[i&mask].key != id+1 {
		i++
	}
	e := &p.table[i&mask]
	e.key = id + 1
	return e
}

// store chooses the form of one set.
func (p *postings) store(c *cellBuilder, pairs []pair) posting {
	n := len(pairs)
	switch {
	case n*denseShare >= len(c.cell.ords):
		r := c.newRow(nil)
		words := c.cell.row(r)
		for _, pr := range pairs {
			local := uint32(pr)
			words[local>>6] |= 1 << (local & 63)
		}
		return posting{at: uint32(r), count: markDense}
	case n > shortMax:
		locals := make([]uint32, n)
		for i, pr := range pairs {
			locals[i] = uint32(pr)
		}
		b := roaring.BitmapOf(locals...)
		b.RunOptimize()
		p.roared = append(p.roared, b)
		return posting{at: uint32(len(p.roared) - 1), count: markRoaring}
	}
	at := len(p.shorts)
	for _, pr := range pairs {
		p.shorts = append(p.shorts, uint32(pr))
	}
	return posting{at: uint32(at), count: uint32(n)}
}
