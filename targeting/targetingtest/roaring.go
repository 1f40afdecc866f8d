package targetingtest

import (
	"github.com/RoaringBitmap/roaring/v2"

	"mazad/targeting"
)

// Roaring is the straightforward index to compare with: one roaring bitmap per
// value and one for "no constraint" per dimension, united per dimension and
// intersected one after another. Schedules and tags are not in the workload and
// not in it. It allocates as roaring does.
type Roaring struct {
	dims [roaringDims]roaringDim
	// taken away: excluded cities and segments
	cities   map[uint64]*roaring.Bitmap
	segments map[uint64]*roaring.Bitmap
}

// The dimensions; OS and minimum version are one, as in the index.
const (
	roaringPlace = iota
	roaringAge
	roaringGender
	roaringLanguage
	roaringDevice
	roaringPlacement
	roaringInterest
	roaringSegment
	roaringDims
)

type roaringDim struct {
	free   *roaring.Bitmap // rules without a constraint
	values map[uint64]*roaring.Bitmap
}

// NewRoaring indexes rules of the workload (at most one segment clause each).
func NewRoaring(rules []targeting.Rule) *Roaring {
	x := &Roaring{cities: map[uint64]*roaring.Bitmap{}, segments: map[uint64]*roaring.Bitmap{}}
	for d := range x.dims {
		x.dims[d] = roaringDim{free: roaring.New(), values: map[uint64]*roaring.Bitmap{}}
	}
	for i := range rules {
		x.add(uint32(i), &rules[i])
	}
	return x
}

func (x *Roaring) add(ord uint32, r *targeting.Rule) {
	var vals [roaringDims][]uint64
	for _, v := range r.Countries {
		vals[roaringPlace] = append(vals[roaringPlace], uint64(v))
	}
	for _, v := range r.Cities {
		vals[roaringPlace] = append(vals[roaringPlace], 1<<32|uint64(v))
	}
	for b := targeting.Age13_17; r.Ages != 0 && b <= targeting.Age55_100; b++ {
		if r.Ages.Has(b) {
			vals[roaringAge] = append(vals[roaringAge], uint64(b))
		}
	}
	if r.Gender != 0 {
		vals[roaringGender] = []uint64{uint64(r.Gender)}
	}
	for _, v := range r.Languages {
		vals[roaringLanguage] = append(vals[roaringLanguage], uint64(v))
	}
	if r.OS != 0 {
		for major := range uint64(64) {
			v := targeting.Version(major << 16)
			if r.OS.Has(targeting.Android) && v >= r.MinAndroid {
				vals[roaringDevice] = append(vals[roaringDevice], device(targeting.Android, v))
			}
			if r.OS.Has(targeting.IOS) && v >= r.MinIOS {
				vals[roaringDevice] = append(vals[roaringDevice], device(targeting.IOS, v))
			}
		}
	}
	for p := targeting.PlacementFeed; r.Placements != 0 && p <= targeting.PlacementExchange; p++ {
		if r.Placements.Has(p) {
			vals[roaringPlacement] = append(vals[roaringPlacement], uint64(p))
		}
	}
	for _, v := range r.Interests {
		vals[roaringInterest] = append(vals[roaringInterest], uint64(v))
	}
	for _, clause := range r.Segments {
		for _, v := range clause {
			vals[roaringSegment] = append(vals[roaringSegment], uint64(v))
		}
	}
	for d, list := range vals {
		if len(list) == 0 {
			x.dims[d].free.Add(ord)
		}
		for _, v := range list {
			put(x.dims[d].values, v, ord)
		}
	}
	for _, v := range r.ExcludeCities {
		put(x.cities, uint64(v), ord)
	}
	for _, v := range r.ExcludeSegments {
		put(x.segments, uint64(v), ord)
	}
}

func device(os targeting.OS, v targeting.Version) uint64 { return uint64(os)<<32 | uint64(v>>16) }

func put(m map[uint64]*roaring.Bitmap, v uint64, ord uint32) {
	b := m[v]
	if b == nil {
		b = roaring.New()
		m[v] = b
	}
	b.Add(ord)
}

// Match appends the rules that accept q to dst.
func (x *Roaring) Match(q *targeting.Personal, dst []uint32) []uint32 {
	one := func(d int, v uint64) *roaring.Bitmap {
		if b := x.dims[d].values[v]; b != nil {
			return roaring.Or(x.dims[d].free, b)
		}
		return x.dims[d].free
	}
	place := []*roaring.Bitmap{x.dims[roaringPlace].free}
	for _, v := range [2]uint64{uint64(q.Country), 1<<32 | uint64(q.City)} {
		if b := x.dims[roaringPlace].values[v]; b != nil {
			place = append(place, b)
		}
	}
	out := roaring.FastOr(place...)
	out.And(one(roaringAge, uint64(q.Age)))
	out.And(one(roaringGender, uint64(q.Gender)))
	out.And(one(roaringLanguage, uint64(q.Language)))
	out.And(one(roaringDevice, device(q.OS, q.OSVersion)))
	out.And(one(roaringPlacement, uint64(q.Placement)))
	any := []*roaring.Bitmap{x.dims[roaringInterest].free}
	for _, v := range q.Interests {
		if b := x.dims[roaringInterest].values[uint64(v)]; b != nil {
			any = append(any, b)
		}
	}
	out.And(roaring.FastOr(any...))
	any = append(any[:0], x.dims[roaringSegment].free)
	for _, v := range q.Segments {
		if b := x.dims[roaringSegment].values[uint64(v)]; b != nil {
			any = append(any, b)
		}
	}
	out.And(roaring.FastOr(any...))
	if b := x.cities[uint64(q.City)]; b != nil {
		out.AndNot(b)
	}
	for _, v := range q.Segments {
		if b := x.segments[uint64(v)]; b != nil {
			out.AndNot(b)
		}
	}
	it := out.ManyIterator()
	for {
		n := len(dst)
		dst = append(dst, make([]uint32, 256)...)
		got := it.NextMany(dst[n:])
		dst = dst[:n+got]
		if got < 256 {
			return dst
		}
	}
}
