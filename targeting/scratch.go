package targeting

import "github.com/RoaringBitmap/roaring/v2"

// Scratch is the working memory of one goroutine. The zero value is ready; it
// grows on first use with an index and may be used with any number of them. It
// keeps no part of a query after the call.
type Scratch struct {
	// the request, translated for one index
	has      bitset   // attributes of the request
	ids      []uint32 // the same as a list, place first, language not included
	places   []uint32 // the head of ids
	context  contextView
	personal personalView

	// of the cell being matched
	acc     []uint64    // survivors
	ok      [3][]uint64 // by anyDimension: rules that the request's values satisfy
	keys    []uint32    // of the postings where the request's attributes begin
	entries []*postingEntry
	many    roaring.ManyIntIterator
	buf     [256]uint32

	// of the match
	found []Ord // parts, each ascending; capacity sizes.found
	ends  []int // of the parts
	spare []Ord // as long as found's capacity
}

// begin makes room and empties what the last match left.
func (s *Scratch) begin(attributes int, size sizes) {
	if words := (attributes + 63) / 64; len(s.has) < words {
		s.has = make(bitset, words)
	}
	if len(s.acc) < size.words {
		s.acc = make([]uint64, size.words)
		for i := range s.ok {
			s.ok[i] = make([]uint64, size.words)
		}
	}
	if cap(s.found) < size.found {
		s.found = make([]Ord, 0, size.found)
		s.spare = make([]Ord, size.found)
	}
	s.ids, s.found, s.ends = s.ids[:0], s.found[:0], s.ends[:0]
}

// end forgets the request.
func (s *Scratch) end() {
	for _, id := range s.ids {
		s.has[id>>6] = 0
	}
	if id := s.context.language; id != noAttribute {
		s.has[id>>6] = 0
	}
	s.context, s.personal = contextView{}, personalView{}
}

func (s *Scratch) add(attrs *dictionary, kind attributeKind, value uint64) uint32 {
	id := attrs.find(kind, value)
	if id != noAttribute {
		s.has[id>>6] |= 1 << (id & 63)
	}
	return id
}

func (s *Scratch) beginContextual(ix *contextualIndex, q *Contextual) {
	s.begin(ix.attrs.used, ix.size)
	s.note(s.add(&ix.attrs, kindCountry, uint64(q.Country)))
	s.note(s.add(&ix.attrs, kindRegion, uint64(q.Region)))
	s.places = s.ids
	s.view(&ix.attrs, q)
}

func (s *Scratch) beginPersonal(ix *personalIndex, q *Personal) {
	s.begin(ix.attrs.used, ix.size)
	s.note(s.add(&ix.attrs, kindCountry, uint64(q.Country)))
	s.note(s.add(&ix.attrs, kindRegion, uint64(q.Region)))
	s.note(s.add(&ix.attrs, kindCity, uint64(q.City)))
	places := len(s.ids)
	s.view(&ix.attrs, &q.Contextual)
	for _, v := range q.Interests {
		s.note(s.add(&ix.attrs, kindInterest, uint64(v)))
	}
	for _, v := range q.Segments {
		s.note(s.add(&ix.attrs, kindSegment, uint64(v)))
	}
	s.places = s.ids[:places]
	s.personal = personalView{contextView: s.context, version: q.OSVersion}
	if q.Gender < genderCount {
		s.personal.gender = q.Gender
	}
}

func (s *Scratch) note(id uint32) {
	if id != noAttribute {
		s.ids = append(s.ids, id)
	}
}

// view translates the contextual part. A value out of its enum is unknown.
func (s *Scratch) view(attrs *dictionary, q *Contextual) {
	v := contextView{halfHours: q.HalfHour}
	if q.Placement < placementCount {
		v.placement, v.placements = q.Placement, PlacementsOf(q.Placement)&allPlacements
	}
	if q.Age < bandCount {
		v.age, v.ages = q.Age, AgesOf(q.Age)&allAges
	}
	if q.OS < osCount {
		v.system, v.os = q.OS, OSOf(q.OS)&allOS
	}
	v.language = s.add(attrs, kindLanguage, uint64(q.Language))
	for _, t := range q.Tags {
		s.note(s.add(attrs, kindTag, uint64(t)))
	}
	s.context = v
}

// closePart ends the part of found that one bucket wrote.
func (s *Scratch) closePart() { s.ends = append(s.ends, len(s.found)) }

// merge unites the parts into one ascending list without repeats. Small parts
// come first, so that what is merged again is short.
func (s *Scratch) merge() []Ord {
	out := s.found[:s.ends[0]]
	for i := 1; i < len(s.ends); i++ {
		part := s.found[s.ends[i-1]:s.ends[i]]
		switch {
		case len(part) == 0:
			continue
		case len(out) == 0:
			out = part
			continue
		}
		// The union of the first parts is no longer than they were together, so
		// copying it to the front leaves the later parts as they are.
		n := mergeInto(s.spare, out, part)
		out = append(s.found[:0], s.spare[:n]...)
	}
	return out
}

// mergeInto writes the union of two ascending lists without branching on data:
// which list comes next is random, and a mispredicted branch costs more than
// the rest of the step.
func mergeInto(dst, a, b []Ord) int {
	i, j, k := 0, 0, 0
	for i < len(a) && j < len(b) {
		x, y := a[i], b[j]
		dst[k] = min(x, y)
		k++
		di, dj := 0, 0
		if x <= y {
			di = 1
		}
		if y <= x {
			dj = 1
		}
		i, j = i+di, j+dj
	}
	k += copy(dst[k:], a[i:])
	k += copy(dst[k:], b[j:])
	return k
}
