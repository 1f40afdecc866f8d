package targeting

import "fmt"

// Limits of one Rule. They are far above what a person enters and low enough
// that one ad group cannot make the index slow for the others.
const (
	MaxCountries       = 300     // per list; ISO 3166-1 has 249
	MaxRegions         = 3000    // per list
	MaxCities          = 3000    // per list; TikTok's limit on location_ids
	MaxLanguages       = 200     // ISO 639-1 has 184
	MaxInterests       = 1000    // per rule
	MaxTags            = 1000    // per rule
	MaxSegmentClauses  = 16      // ANDed ORs per rule
	MaxClauseSegments  = 500     // per OR
	MaxExcludeSegments = 1000    // per rule
	MaxZone            = 1 << 10 // zones that a query carries half-hours for
)

// Rule is what one ad group asks for. Every constraint must hold; the zero value
// has none and accepts everyone. An unknown request value fails an include
// constraint and passes an exclude.
type Rule struct {
	// Place: the request must be in one of the includes (the union of the three
	// lists), if there are any, and in none of the excludes.
	Countries, ExcludeCountries []Country
	Regions, ExcludeRegions     []Region
	Cities, ExcludeCities       []City // personal

	Ages      AgeSet     // any of
	Gender    Gender     // personal
	Languages []Language // any of

	// OS is any of. A minimum version refuses an unknown system, and its own
	// system below the minimum or of unknown version; other systems pass it.
	OS         OSSet
	MinAndroid Version // personal
	MinIOS     Version // personal

	Placements PlacementSet // any of
	Interests  []Interest   // any of; personal
	Tags       []Tag        // any of

	Segments        [][]Segment // any of each inner list; personal
	ExcludeSegments []Segment   // none of; personal

	Dayparting Dayparting // open in the half-hour that the query gives for Zone
	Zone       uint16     // index into the query's HalfHour
}

// Personal reports whether the rule uses anything that I10 forbids for a
// contextual request, an exclusion included: city, gender, OS version,
// interests or segments.
func (r *Rule) Personal() bool {
	return len(r.Cities) > 0 || len(r.ExcludeCities) > 0 || r.Gender != GenderUnlimited ||
		r.MinAndroid != 0 || r.MinIOS != 0 || len(r.Interests) > 0 ||
		len(r.Segments) > 0 || len(r.ExcludeSegments) > 0
}

// Validate reports the first field that is out of its limits, naming the field,
// the value and the limit.
func (r *Rule) Validate() error {
	if err := r.validatePlaces(); err != nil {
		return err
	}
	if err := checkList("languages", r.Languages, MaxLanguages, 0); err != nil {
		return err
	}
	switch {
	case r.Ages&^allAges != 0:
		return fmt.Errorf("ages: bit set %#x: want only the bands AGE_13_17 to AGE_55_100 (mask %#x)", r.Ages, allAges)
	case r.Gender >= genderCount:
		return fmt.Errorf("gender: %d: want at most %d", r.Gender, genderCount-1)
	case r.OS&^allOS != 0:
		return fmt.Errorf("os: bit set %#x: want only Android, iOS and other (mask %#x)", r.OS, allOS)
	case r.Placements&^allPlacements != 0:
		return fmt.Errorf("placements: bit set %#x: want only known placements (mask %#x)", r.Placements, allPlacements)
	case len(r.Interests) > MaxInterests:
		return fmt.Errorf("interests: %d entries: want at most %d", len(r.Interests), MaxInterests)
	case len(r.Tags) > MaxTags:
		return fmt.Errorf("tags: %d entries: want at most %d", len(r.Tags), MaxTags)
	case r.Zone >= MaxZone:
		return fmt.Errorf("zone: %d: want at most %d", r.Zone, MaxZone-1)
	}
	for day, w := range r.Dayparting {
		if w>>HalfHoursPerDay != 0 {
			return fmt.Errorf("dayparting: day %d has bits %#x: want only the low %d", day, w, HalfHoursPerDay)
		}
	}
	return r.validateSegments()
}

func (r *Rule) validatePlaces() error {
	if err := checkList("countries", r.Countries, MaxCountries, 0); err != nil {
		return err
	}
	if err := checkList("exclude_countries", r.ExcludeCountries, MaxCountries, 0); err != nil {
		return err
	}
	if err := checkList("regions", r.Regions, MaxRegions, 0); err != nil {
		return err
	}
	if err := checkList("exclude_regions", r.ExcludeRegions, MaxRegions, 0); err != nil {
		return err
	}
	if err := checkList("cities", r.Cities, MaxCities, 0); err != nil {
		return err
	}
	return checkList("exclude_cities", r.ExcludeCities, MaxCities, 0)
}

func (r *Rule) validateSegments() error {
	if len(r.Segments) > MaxSegmentClauses {
		return fmt.Errorf("segments: %d clauses: want at most %d", len(r.Segments), MaxSegmentClauses)
	}
	for i, clause := range r.Segments {
		if len(clause) == 0 || len(clause) > MaxClauseSegments {
			return fmt.Errorf("segments[%d]: %d entries: want 1 to %d", i, len(clause), MaxClauseSegments)
		}
	}
	if len(r.ExcludeSegments) > MaxExcludeSegments {
		return fmt.Errorf("exclude_segments: %d entries: want at most %d", len(r.ExcludeSegments), MaxExcludeSegments)
	}
	return nil
}

// checkList refuses long lists and the value that means unknown.
func checkList[T comparable](field string, list []T, limit int, unknown T) error {
	if len(list) > limit {
		return fmt.Errorf("%s: %d entries: want at most %d", field, len(list), limit)
	}
	for i, v := range list {
		if v == unknown {
			return fmt.Errorf("%s[%d]: %v: want a known value, not 0", field, i, v)
		}
	}
	return nil
}
