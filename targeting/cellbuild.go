package targeting

import "slices"

// versionRowsMax is the number of distinct minimum versions per system that get
// a row; a cell with more checks the rules that have one on survivors.
const versionRowsMax = 48

// cellBuilder makes one cell out of encoded rules.
type cellBuilder struct {
	cell   *cell
	prog   *program
	heads  []*contextHead // by local number
	pairs  []pair
	dims   map[uint32]uint32
	excess []bool // rules for the residual row
}

func newContextualCell(ix *contextualIndex, positions []Ord) *cell {
	c := &cell{}
	b := newCellBuilder(c, &ix.prog, positions)
	for local, p := range positions {
		b.heads[local] = &ix.heads[p]
	}
	b.contextual()
	b.finish()
	return c
}

func newPersonalCell(ix *personalIndex, ords []Ord) *personalCell {
	c := &personalCell{}
	b := newCellBuilder(&c.cell, &ix.prog, ords)
	heads := make([]*personalHead, len(ords))
	for local, ord := range ords {
		heads[local] = &ix.heads[ord]
		b.heads[local] = &ix.heads[ord].contextHead
	}
	b.contextual()
	for g := range genderCount {
		c.gender[g] = b.maskRow(func(local int) bool {
			want := heads[local].gender
			return want == GenderUnlimited || want == g
		})
	}
	// An unknown system passes no minimum.
	c.system[OSUnknown] = b.maskRow(func(local int) bool {
		h := heads[local]
		return h.os == 0 && h.minAndroid == 0 && h.minIOS == 0
	})
	c.android = b.versions(Android, func(local int) Version { return heads[local].minAndroid })
	c.ios = b.versions(IOS, func(local int) Version { return heads[local].minIOS })
	b.finish()
	return c
}

func newCellBuilder(c *cell, prog *program, ords []Ord) *cellBuilder {
	c.ords, c.words = ords, (len(ords)+63)/64
	b := &cellBuilder{
		cell: c, prog: prog, heads: make([]*contextHead, len(ords)),
		dims: make(map[uint32]uint32), excess: make([]bool, len(ords)),
	}
	full := b.newRow(nil) // fullRow
	words := c.row(full)
	for local := range ords {
		words[local>>6] |= 1 << (local & 63)
	}
	return b
}

// newRow appends a row, a copy of from or empty.
func (b *cellBuilder) newRow(from []uint64) row {
	c := b.cell
	r := row(len(c.slab) / c.words)
	c.slab = append(c.slab, make([]uint64, c.words)...)
	copy(c.row(r), from)
	return r
}

// maskRow makes the row of the rules for which accepts is true; fullRow if that
// is all of them.
func (b *cellBuilder) maskRow(accepts func(local int) bool) row {
	r := b.newRow(nil)
	words, n := b.cell.row(r), 0
	for local := range b.heads {
		if accepts(local) {
			words[local>>6] |= 1 << (local & 63)
			n++
		}
	}
	if n == len(b.heads) {
		b.cell.slab = b.cell.slab[:int(r)*b.cell.words]
		return fullRow
	}
	return r
}

// contextual makes the rows of the dimensions that both universes have, and
// collects the lists.
func (b *cellBuilder) contextual() {
	c := b.cell
	for v := range placementCount {
		c.place[v] = b.maskRow(func(local int) bool {
			set := b.heads[local].placements
			return set == 0 || set.Has(v)
		})
	}
	for v := range osCount {
		c.system[v] = b.maskRow(func(local int) bool {
			set := b.heads[local].os
			return set == 0 || set.Has(v)
		})
	}
	for v := range bandCount {
		c.age[v] = b.maskRow(func(local int) bool {
			set := b.heads[local].ages
			return set == 0 || set.Has(v)
		})
	}
	var constrained [anyDimensions][]bool
	for d := range constrained {
		constrained[d] = make([]bool, len(b.heads))
	}
	languages := make(map[uint32][]uint32)
	speaks := make([]bool, len(b.heads))
	for local, h := range b.heads {
		b.excess[local] = h.day != 0
		b.sections(uint32(local), h, &constrained, func(ids []uint32) {
			speaks[local] = true
			for _, id := range ids {
				languages[id] = append(languages[id], uint32(local))
			}
		})
	}
	for d := range constrained {
		c.any[d] = b.maskRow(func(local int) bool { return !constrained[d][local] })
	}
	b.languageRows(languages, speaks)
}

// sections walks one rule's lists.
func (b *cellBuilder) sections(local uint32, h *contextHead, constrained *[anyDimensions][]bool, language func([]uint32)) {
	lists := b.prog.lists
	for at := h.rest; lists[at] != 0; {
		dim, end := Dimension(lists[at]>>sectionDimension), at+1+lists[at]&countMask
		ids := lists[at+1 : end]
		at = end
		d := anyDimensions
		switch dim {
		case DimensionLanguage:
			language(ids)
			continue
		case DimensionPlaceExcluded, DimensionSegmentExcluded:
			for _, id := range ids {
				b.pairs = append(b.pairs, makePair(id, true, local))
			}
			continue
		case DimensionInterest:
			d = anyInterest
		case DimensionTag:
			d = anyTag
		case DimensionSegment:
			d = anySegment
		}
		if constrained[d][local] { // a further clause
			b.excess[local] = true
			continue
		}
		constrained[d][local] = true
		for _, id := range ids {
			b.pairs = append(b.pairs, makePair(id, false, local))
			b.dims[id] = uint32(d)
		}
	}
}

func (b *cellBuilder) languageRows(languages map[uint32][]uint32, speaks []bool) {
	t := &b.cell.language
	t.none = b.maskRow(func(local int) bool { return !speaks[local] })
	for id := range languages {
		t.ids = append(t.ids, id)
	}
	// The scan finds the frequent ones first; equal counts are ordered by number
	// so that the same rules always give the same cell.
	slices.SortFunc(t.ids, func(x, y uint32) int {
		if d := len(languages[y]) - len(languages[x]); d != 0 {
			return d
		}
		return int(x) - int(y)
	})
	for _, id := range t.ids {
		r := b.newRow(b.cell.row(t.none))
		words := b.cell.row(r)
		for _, local := range languages[id] {
			words[local>>6] |= 1 << (local & 63)
		}
		t.rows = append(t.rows, r)
	}
}

// versions makes the rows of one system.
func (b *cellBuilder) versions(system OS, minimum func(local int) Version) versionRows {
	admits := func(local int) bool {
		set := b.heads[local].os
		return set == 0 || set.Has(system)
	}
	var v versionRows
	for local := range b.heads {
		if m := minimum(local); m != 0 && admits(local) {
			v.minima = append(v.minima, m)
		}
	}
	slices.Sort(v.minima)
	v.minima = slices.Compact(v.minima)
	if len(v.minima) > versionRowsMax {
		for local := range b.heads {
			b.excess[local] = b.excess[local] || minimum(local) != 0
		}
		return versionRows{below: b.cell.system[system]}
	}
	v.below = b.maskRow(func(local int) bool { return admits(local) && minimum(local) == 0 })
	for _, m := range v.minima {
		v.rows = append(v.rows, b.maskRow(func(local int) bool { return admits(local) && minimum(local) <= m }))
	}
	return v
}

// finish makes the residual row and the postings.
func (b *cellBuilder) finish() {
	c := b.cell
	c.hasResidual = slices.Contains(b.excess, true)
	if c.hasResidual {
		c.residual = b.maskRow(func(local int) bool { return b.excess[local] })
	}
	c.postings.build(b, b.pairs, b.dims)
	c.slab = slices.Clone(c.slab) // without the spare capacity of append
}
