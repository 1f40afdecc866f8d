package targeting

import "math/bits"

// cell holds the bitmaps of one bucket. A row has one bit per rule of the bucket
// in ascending order; rows lie one after another in slab. For a dimension with
// few values there is a finished row per value, "accepts this value or has no
// constraint". For the list dimensions there is a row of the rules without
// constraint, to which the postings of the request's values are added, and
// postings of excludes, which are taken away. What has no bitmap (schedules,
// further segment clauses, rare versions) is in the residual row: survivors
// in it are checked one by one.
type cell struct {
	ords     []Ord
	words    int
	slab     []uint64
	place    [placementCount]row
	system   [osCount]row
	age      [bandCount]row
	language rowTable
	any      [anyDimensions]row // rules without constraint; full when no rule has one
	residual row                // full means none: see hasResidual
	postings postings

	hasResidual bool
}

// row is the number of a row in the slab; row 0 accepts every rule.
type row uint32

const fullRow row = 0

// The list dimensions with include postings.
const (
	anyInterest = iota
	anyTag
	anySegment
	anyDimensions
)

// rowTable finds the row of a language: few, so they are scanned.
type rowTable struct {
	ids  []uint32
	rows []row
	none row // for a language that no rule of the cell names
}

func (t *rowTable) find(id uint32) row {
	for i, have := range t.ids {
		if have == id {
			return t.rows[i]
		}
	}
	return t.none
}

func (c *cell) row(r row) []uint64 { return c.slab[int(r)*c.words:][:c.words] }

// rowSet is the finished rows that a request selects.
type rowSet [5]row

// contextRows selects the rows that every request has.
func (c *cell) contextRows(v *contextView) rowSet {
	return rowSet{c.place[v.placement], c.system[v.system], c.age[v.age], c.language.find(v.language), fullRow}
}

// personalCell adds the rows that only a personal request meets.
type personalCell struct {
	cell
	gender  [genderCount]row
	android versionRows
	ios     versionRows
}

// versionRows has, for each minimum that some rule asks for, the row of the
// rules that a device of that version or later passes (and whose OS set admits
// it); below the first minimum it is the cell's plain system row.
type versionRows struct {
	minima []Version // ascending
	rows   []row
	below  row
}

func (v *versionRows) find(version Version) row {
	r := v.below
	for i, m := range v.minima {
		if version < m {
			break
		}
		r = v.rows[i]
	}
	return r
}

func (c *personalCell) match(ix *personalIndex, s *Scratch) {
	v := &s.personal
	rows := c.contextRows(&v.contextView)
	switch v.system {
	case Android:
		rows[1] = c.android.find(v.version)
	case IOS:
		rows[1] = c.ios.find(v.version)
	}
	rows[4] = c.gender[v.gender]
	c.cell.match(&rows, ix, s)
}

// checker checks a survivor in full.
type checker interface {
	refuses(ord Ord, s *Scratch) bool
}

// match appends the rules of the cell that accept the request.
func (c *cell) match(rows *rowSet, chk checker, s *Scratch) {
	if !c.and(rows, s) {
		return
	}
	ok := c.lists(s)
	c.emit(&ok, chk, s)
}

// and intersects the selected rows into s.acc and reports whether any rule is
// left.
func (c *cell) and(rows *rowSet, s *Scratch) bool {
	acc := s.acc[:c.words]
	r0, r1, r2 := c.row(rows[0])[:len(acc)], c.row(rows[1])[:len(acc)], c.row(rows[2])[:len(acc)]
	r3, r4 := c.row(rows[3])[:len(acc)], c.row(rows[4])[:len(acc)]
	left := uint64(0)
	for i := range acc {
		w := r0[i] & r1[i] & r2[i] & r3[i] & r4[i]
		acc[i] = w
		left |= w
	}
	return left != 0
}

// lists takes the excludes out of s.acc and returns the rows of the list
// dimensions, finished for this request.
func (c *cell) lists(s *Scratch) (ok [anyDimensions][]uint64) {
	for d, r := range c.any {
		ok[d] = c.row(r)
		if r != fullRow {
			own := s.ok[d][:c.words]
			copy(own, ok[d])
			ok[d] = own
		}
	}
	for _, e := range c.postings.findAll(s) {
		if e.include.count != 0 {
			c.postings.set(e.include, ok[e.dimension], c, s)
		}
		if e.exclude.count != 0 {
			c.postings.clear(e.exclude, s.acc[:c.words], c, s)
		}
	}
	return ok
}

// emit appends the rules that are left to s.found.
func (c *cell) emit(ok *[anyDimensions][]uint64, chk checker, s *Scratch) {
	acc := s.acc[:c.words]
	a, b, d := ok[0][:len(acc)], ok[1][:len(acc)], ok[2][:len(acc)]
	residual := c.row(c.residual)[:len(acc)]
	found := s.found
	n := len(found)
	found = found[:cap(found)]
	for i := range acc {
		w := acc[i] & a[i] & b[i] & d[i]
		if w == 0 {
			continue
		}
		ords := c.ords[i<<6:]
		if c.hasResidual {
			for r := w & residual[i]; r != 0; r &= r - 1 {
				if chk.refuses(ords[bits.TrailingZeros64(r)], s) {
					w &^= r & -r
				}
			}
		}
		for ; w != 0; w &= w - 1 {
			found[n] = ords[bits.TrailingZeros64(w)]
			n++
		}
	}
	s.found = found[:n]
}
