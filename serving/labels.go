package serving

// label is the dense number of a landing domain or a category in a snapshot; 0
// is none.
type label uint32

// labels finds out which ads a request's block lists concern. Exchanges send long
// lists that name none of our domains: those cost one look-up per entry and
// nothing per candidate.
type labels struct {
	numbers map[string]label   // by name; domains and categories share the numbers
	below   map[uint64][]label // by tag: the labels that a block of it covers
}

// add numbers a name and notes the tags whose block covers it.
func (l *labels) add(kind, name string, tags []uint64) label {
	if name == "" {
		return 0
	}
	if n, ok := l.numbers[kind+name]; ok {
		return n
	}
	if l.numbers == nil {
		l.numbers, l.below = map[string]label{}, map[uint64][]label{}
	}
	n := label(len(l.numbers) + 1)
	l.numbers[kind+name] = n
	for _, t := range tags {
		l.below[t] = append(l.below[t], n)
	}
	return n
}

// blocked is the set of labels that a request does not want, reused.
type blocked struct {
	bits []uint64
	set  []label
}

// read takes the block lists of a request.
func (b *blocked) read(l *labels, lists ...[]uint64) {
	for _, list := range lists {
		for _, tag := range list {
			for _, n := range l.below[tag] {
				b.add(n)
			}
		}
	}
}

func (b *blocked) add(n label) {
	for int(n/64) >= len(b.bits) {
		b.bits = append(b.bits, 0)
	}
	b.bits[n/64] |= 1 << (n % 64)
	b.set = append(b.set, n)
}

func (b *blocked) has(n label) bool {
	return n != 0 && int(n/64) < len(b.bits) && b.bits[n/64]>>(n%64)&1 == 1
}

// reset empties the set at a cost of what was in it.
func (b *blocked) reset() {
	for _, n := range b.set {
		b.bits[n/64] = 0
	}
	b.set = b.set[:0]
}
