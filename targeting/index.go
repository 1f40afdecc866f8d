package targeting

// Ord is the position of a rule in the slice given to Build.
type Ord uint32

// Index answers which rules accept a request. It never changes.
type Index struct {
	personal   personalIndex
	contextual contextualIndex
}

// Build makes the index of rules; Ord is the position in the slice. A rule that
// Validate refuses is kept as one that accepts nobody.
func Build(rules []Rule) *Index {
	ix := &Index{}
	ix.personal.build(rules)
	ix.contextual.build(rules)
	return ix
}

// Len is the number of rules.
func (ix *Index) Len() int { return len(ix.personal.heads) }

// MatchPersonal returns every rule that accepts q, ascending. The slice belongs
// to s and is valid until s is used again. From the second call with the same
// index and sizes of q on, nothing is allocated.
func (ix *Index) MatchPersonal(q *Personal, s *Scratch) []Ord { return ix.personal.match(q, s) }

// MatchContextual returns every rule that is not personal and accepts q, as
// MatchPersonal does. It reads nothing that was built from a personal rule.
func (ix *Index) MatchContextual(q *Contextual, s *Scratch) []Ord { return ix.contextual.match(q, s) }

// personalIndex partitions the rules by included place: bucket 0 holds those
// that include no place, every other bucket those that include its country,
// region or city. A rule is in as many buckets as it includes places; a request
// visits at most four. Heads are by Ord.
type personalIndex struct {
	attrs   dictionary
	prog    program
	heads   []personalHead
	byPlace []uint32 // attribute number -> bucket; 0 = none
	buckets []personalBucket
	size    sizes
}

// personalBucket is a list of rules that is checked one by one when cell is nil.
type personalBucket struct {
	ords []Ord
	cell *personalCell
}

// contextualIndex is the same for the rules that are not personal. Positions in
// heads and buckets are its own; ords translates them.
type contextualIndex struct {
	attrs   dictionary
	prog    program
	heads   []contextHead
	ords    []Ord
	byPlace []uint32
	buckets []contextualBucket
	size    sizes
}

type contextualBucket struct {
	ords []Ord
	cell *cell
}

// sizes is what a Scratch must have room for, so that it grows only once.
type sizes struct {
	words int // of the largest cell
	found int // of the largest buckets that one request can visit together
}

func (ix *personalIndex) build(rules []Rule) {
	enc := newEncoder(&ix.attrs, &ix.prog)
	ix.heads = make([]personalHead, len(rules))
	for i := range rules {
		if rules[i].Validate() == nil {
			ix.heads[i] = enc.personal(&rules[i])
		}
	}
	part := newPartition(&ix.attrs, &ix.prog)
	for i := range ix.heads {
		if h := &ix.heads[i]; h.valid {
			part.put(Ord(i), &h.contextHead)
		}
	}
	ix.byPlace = part.byPlace
	ix.buckets = make([]personalBucket, len(part.lists))
	for i, ords := range part.lists {
		ix.buckets[i].ords = ords
		if len(ords) > listMax {
			ix.buckets[i].cell = newPersonalCell(ix, ords)
		}
	}
	ix.size = part.sizes()
}

func (ix *personalIndex) match(q *Personal, s *Scratch) []Ord {
	s.beginPersonal(ix, q)
	ix.visit(0, s)
	for i := len(s.places) - 1; i >= 0; i-- { // the country, with most rules, last: see merge
		if b := ix.byPlace[s.places[i]]; b != 0 {
			ix.visit(b, s)
		}
	}
	s.end()
	return s.merge()
}

func (ix *personalIndex) visit(bucket uint32, s *Scratch) {
	b := &ix.buckets[bucket]
	if b.cell != nil {
		b.cell.match(ix, s)
	} else {
		for _, ord := range b.ords {
			if ix.heads[ord].check(&ix.prog, &s.personal, s.has) == DimensionNone {
				s.found = append(s.found, ord)
			}
		}
	}
	s.closePart()
}

// refuses is the check of a survivor.
func (ix *personalIndex) refuses(ord Ord, s *Scratch) bool {
	return ix.heads[ord].check(&ix.prog, &s.personal, s.has) != DimensionNone
}

func (ix *personalIndex) why(ord Ord, s *Scratch) Dimension {
	if int(ord) >= len(ix.heads) || !ix.heads[ord].valid {
		return DimensionInvalid
	}
	return ix.heads[ord].why(&ix.prog, &s.personal, s.has)
}
