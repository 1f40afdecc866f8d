package targeting

// A program keeps the list constraints of all rules of one universe, so that one
// rule can be checked against a request on its own: for buckets too small for
// bitmaps, for the constraints that have no bitmap, and for Why.
//
// lists holds, per rule, sections: a word (dimension<<24 | noneFlag | count),
// then count ascending attribute numbers; a zero word ends the rule. The section
// of included places, if any, is the first.
type program struct {
	lists []uint32
	days  []Dayparting // distinct schedules; [0] is always open
}

const (
	sectionDimension = 24
	noneFlag         = 1 << 23 // refuse if any is present, not if none is
	countMask        = noneFlag - 1
)

// contextHead is the fixed part of a rule that a contextual request may meet.
type contextHead struct {
	place      uint32 // start of the place section in program.lists
	rest       uint32 // start of what follows; equals place when there is none
	day        uint32 // index into program.days
	zone       uint16
	ages       AgeSet
	os         OSSet
	placements PlacementSet
	valid      bool
}

// personalHead adds what only a personal request may meet.
type personalHead struct {
	contextHead
	gender     Gender
	minAndroid Version
	minIOS     Version
}

// contextView is a request, translated for one index. Sets hold the one value of
// the request, or nothing when it is unknown.
type contextView struct {
	placements PlacementSet
	ages       AgeSet
	os         OSSet
	placement  Placement
	age        Band
	system     OS
	language   uint32 // attribute number
	halfHours  []uint16
}

type personalView struct {
	contextView
	gender  Gender
	version Version
}

// bitset is a set of attribute numbers.
type bitset []uint64

func (b bitset) has(id uint32) bool { return b[id>>6]>>(id&63)&1 == 1 }

func (b bitset) any(ids []uint32) bool {
	for _, id := range ids {
		if b.has(id) {
			return true
		}
	}
	return false
}

// why checks everything.
func (h *contextHead) why(p *program, v *contextView, has bitset) Dimension {
	if !h.inPlace(p, has) {
		return DimensionPlace
	}
	return h.check(p, v, has)
}

// check is why without the included places, which the bucket stands for.
func (h *contextHead) check(p *program, v *contextView, has bitset) Dimension {
	switch {
	case h.placements != 0 && h.placements&v.placements == 0:
		return DimensionPlacement
	case h.os != 0 && h.os&v.os == 0:
		return DimensionOS
	case h.ages != 0 && h.ages&v.ages == 0:
		return DimensionAge
	}
	return h.checkLists(p, v, has)
}

func (h *personalHead) why(p *program, v *personalView, has bitset) Dimension {
	if !h.inPlace(p, has) {
		return DimensionPlace
	}
	return h.check(p, v, has)
}

func (h *personalHead) check(p *program, v *personalView, has bitset) Dimension {
	switch {
	case h.placements != 0 && h.placements&v.placements == 0:
		return DimensionPlacement
	case h.os != 0 && h.os&v.os == 0:
		return DimensionOS
	case !h.versionOK(v):
		return DimensionOSVersion
	case h.ages != 0 && h.ages&v.ages == 0:
		return DimensionAge
	case h.gender != GenderUnlimited && h.gender != v.gender:
		return DimensionGender
	}
	return h.checkLists(p, &v.contextView, has)
}

func (h *personalHead) versionOK(v *personalView) bool {
	switch v.system {
	case Android:
		return v.version >= h.minAndroid
	case IOS:
		return v.version >= h.minIOS
	case Other:
		return true
	}
	return h.minAndroid == 0 && h.minIOS == 0
}

func (h *contextHead) inPlace(p *program, has bitset) bool {
	return h.place == h.rest || has.any(p.lists[h.place+1:h.rest])
}

func (h *contextHead) checkLists(p *program, v *contextView, has bitset) Dimension {
	at := h.rest
	for {
		word := p.lists[at]
		if word == 0 {
			break
		}
		end := at + 1 + word&countMask
		if has.any(p.lists[at+1:end]) == (word&noneFlag != 0) {
			return Dimension(word >> sectionDimension)
		}
		at = end
	}
	if h.day == 0 {
		return DimensionNone
	}
	half := HalfHourUnknown
	if int(h.zone) < len(v.halfHours) {
		half = v.halfHours[h.zone]
	}
	if !p.days[h.day].Open(half) {
		return DimensionDaypart
	}
	return DimensionNone
}
