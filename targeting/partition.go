package targeting

// listMax is the size up to which a bucket is checked rule by rule: below it the
// fixed cost of a cell (about 60 table lookups for a rich request) is higher.
// BenchmarkMatch, best p50 of five runs in us at 1,000 / 10,000 / 100,000 rules:
// 24: 2.0 / 6.7 / 33; 48: 2.2 / 5.8 / 34; 96: 2.8 / 7.1 / 36; 192: 3.1 / 6.0 / 37.
// Smaller values also mean more cells and so more memory.
const listMax = 48

// partition sorts rules into buckets by included place; see personalIndex.
type partition struct {
	prog    *program
	byPlace []uint32 // attribute number -> bucket
	lists   [][]Ord
	kinds   []attributeKind // by bucket
	kindOf  []attributeKind // by attribute number
}

func newPartition(attrs *dictionary, prog *program) *partition {
	p := &partition{
		prog: prog, byPlace: make([]uint32, attrs.used), kindOf: make([]attributeKind, attrs.used),
		lists: make([][]Ord, 1), kinds: make([]attributeKind, 1),
	}
	for _, s := range attrs.slots {
		if s.kind != kindNone {
			p.kindOf[s.id] = s.kind
		}
	}
	return p
}

// put adds one rule; rules come in ascending order, so every list ascends.
func (p *partition) put(ord Ord, h *contextHead) {
	if h.place == h.rest {
		p.lists[0] = append(p.lists[0], ord)
		return
	}
	for _, id := range p.prog.lists[h.place+1 : h.rest] {
		b := p.byPlace[id]
		if b == 0 {
			b = uint32(len(p.lists))
			p.byPlace[id] = b
			p.lists = append(p.lists, nil)
			p.kinds = append(p.kinds, p.kindOf[id])
		}
		p.lists[b] = append(p.lists[b], ord)
	}
}

func (p *partition) sizes() sizes {
	var largest [kindSegment + 1]int
	most := 0
	for b, ords := range p.lists {
		largest[p.kinds[b]] = max(largest[p.kinds[b]], len(ords))
		most = max(most, len(ords))
	}
	return sizes{
		words: (most + 63) / 64,
		found: largest[kindNone] + largest[kindCountry] + largest[kindRegion] + largest[kindCity],
	}
}
