package targeting

import "slices"

func (ix *contextualIndex) build(rules []Rule) {
	enc := newEncoder(&ix.attrs, &ix.prog)
	for i := range rules {
		if rules[i].Validate() != nil {
			continue
		}
		if c, ok := contextOf(&rules[i]); ok {
			ix.heads = append(ix.heads, enc.contextual(&c))
			ix.ords = append(ix.ords, Ord(i))
		}
	}
	part := newPartition(&ix.attrs, &ix.prog)
	for i := range ix.heads {
		part.put(Ord(i), &ix.heads[i])
	}
	ix.byPlace = part.byPlace
	ix.buckets = make([]contextualBucket, len(part.lists))
	for i, ords := range part.lists {
		ix.buckets[i].ords = ords
		if len(ords) > listMax {
			ix.buckets[i].cell = newContextualCell(ix, ords)
		}
	}
	ix.size = part.sizes()
}

func (ix *contextualIndex) match(q *Contextual, s *Scratch) []Ord {
	s.beginContextual(ix, q)
	ix.visit(0, s)
	for i := len(s.places) - 1; i >= 0; i-- { // the country, with most rules, last: see merge
		if b := ix.byPlace[s.places[i]]; b != 0 {
			ix.visit(b, s)
		}
	}
	s.end()
	out := s.merge()
	for i, position := range out {
		out[i] = ix.ords[position]
	}
	return out
}

func (ix *contextualIndex) visit(bucket uint32, s *Scratch) {
	b := &ix.buckets[bucket]
	if b.cell != nil {
		rows := b.cell.contextRows(&s.context)
		b.cell.match(&rows, ix, s)
	} else {
		for _, position := range b.ords {
			if !ix.refuses(position, s) {
				s.found = append(s.found, position)
			}
		}
	}
	s.closePart()
}

func (ix *contextualIndex) refuses(position Ord, s *Scratch) bool {
	return ix.heads[position].check(&ix.prog, &s.context, s.has) != DimensionNone
}

func (ix *contextualIndex) why(ord Ord, s *Scratch) Dimension {
	position, ok := slices.BinarySearch(ix.ords, ord)
	if !ok {
		return DimensionPersonal
	}
	return ix.heads[position].why(&ix.prog, &s.context, s.has)
}
