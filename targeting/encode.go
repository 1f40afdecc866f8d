package targeting

import "slices"

// contextRule is a Rule without its personal fields: the only thing that the
// contextual half of an index is built from (I10).
type contextRule struct {
	countries, excludeCountries []Country
	regions, excludeRegions     []Region
	ages                        AgeSet
	languages                   []Language
	os                          OSSet
	placements                  PlacementSet
	tags                        []Tag
	dayparting                  Dayparting
	zone                        uint16
}

// contextOf reduces a rule; ok is false when the rule is personal.
func contextOf(r *Rule) (c contextRule, ok bool) {
	if r.Personal() {
		return c, false
	}
	return contextRule{
		countries: r.Countries, excludeCountries: r.ExcludeCountries,
		regions: r.Regions, excludeRegions: r.ExcludeRegions,
		ages: r.Ages, languages: r.Languages, os: r.OS, placements: r.Placements, tags: r.Tags,
		dayparting: r.Dayparting, zone: r.Zone,
	}, true
}

// encoder writes rules into a program.
type encoder struct {
	attrs  *dictionary
	prog   *program
	dayIDs map[Dayparting]uint32
	start  int // of the open section
}

func newEncoder(attrs *dictionary, prog *program) *encoder {
	prog.days = []Dayparting{{}}
	return &encoder{attrs: attrs, prog: prog, dayIDs: map[Dayparting]uint32{{}: 0}}
}

// contextual writes one rule of the contextual universe.
func (e *encoder) contextual(r *contextRule) contextHead {
	h := contextHead{zone: r.zone, ages: r.ages, os: r.os, placements: r.placements, valid: true}
	h.place = e.open()
	add(e, kindCountry, r.countries)
	add(e, kindRegion, r.regions)
	e.close(DimensionPlace, 0)
	h.rest = e.open()
	add(e, kindCountry, r.excludeCountries)
	add(e, kindRegion, r.excludeRegions)
	e.close(DimensionPlaceExcluded, noneFlag)
	list(e, DimensionLanguage, kindLanguage, r.languages)
	list(e, DimensionTag, kindTag, r.tags)
	e.end()
	h.day = e.day(r.dayparting)
	return h
}

// personal writes one rule of the personal universe.
func (e *encoder) personal(r *Rule) personalHead {
	h := personalHead{
		contextHead: contextHead{zone: r.Zone, ages: r.Ages, os: r.OS, placements: r.Placements, valid: true},
		gender:      r.Gender, minAndroid: r.MinAndroid, minIOS: r.MinIOS,
	}
	h.place = e.open()
	add(e, kindCountry, r.Countries)
	add(e, kindRegion, r.Regions)
	add(e, kindCity, r.Cities)
	e.close(DimensionPlace, 0)
	h.rest = e.open()
	add(e, kindCountry, r.ExcludeCountries)
	add(e, kindRegion, r.ExcludeRegions)
	add(e, kindCity, r.ExcludeCities)
	e.close(DimensionPlaceExcluded, noneFlag)
	list(e, DimensionLanguage, kindLanguage, r.Languages)
	list(e, DimensionInterest, kindInterest, r.Interests)
	list(e, DimensionTag, kindTag, r.Tags)
	// The cell keeps bitmaps for the first clause only: the shortest refuses most.
	first := 0
	for i, clause := range r.Segments {
		if len(clause) < len(r.Segments[first]) {
			first = i
		}
	}
	for i := range r.Segments {
		list(e, DimensionSegment, kindSegment, r.Segments[(first+i)%len(r.Segments)])
	}
	e.open()
	add(e, kindSegment, r.ExcludeSegments)
	e.close(DimensionSegmentExcluded, noneFlag)
	e.end()
	h.day = e.day(r.Dayparting)
	return h
}

func (e *encoder) day(d Dayparting) uint32 {
	id, ok := e.dayIDs[d]
	if !ok {
		id = uint32(len(e.prog.days))
		e.dayIDs[d] = id
		e.prog.days = append(e.prog.days, d)
	}
	return id
}

// open starts a section and returns where; close drops it again if it is empty.
func (e *encoder) open() uint32 {
	e.start = len(e.prog.lists)
	e.prog.lists = append(e.prog.lists, 0)
	return uint32(e.start)
}

func (e *encoder) close(dim Dimension, flag uint32) {
	ids := e.prog.lists[e.start+1:]
	if len(ids) == 0 {
		e.prog.lists = e.prog.lists[:e.start]
		return
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	e.prog.lists = e.prog.lists[:e.start+1+len(ids)]
	e.prog.lists[e.start] = uint32(dim)<<sectionDimension | flag | uint32(len(ids))
}

func (e *encoder) end() { e.prog.lists = append(e.prog.lists, 0) }

func add[T ~uint16 | ~uint32 | ~uint64](e *encoder, kind attributeKind, values []T) {
	for _, v := range values {
		e.prog.lists = append(e.prog.lists, e.attrs.number(kind, uint64(v)))
	}
}

func list[T ~uint16 | ~uint32 | ~uint64](e *encoder, dim Dimension, kind attributeKind, values []T) {
	e.open()
	add(e, kind, values)
	e.close(dim, 0)
}
