package targeting

// Dimension names what a rule refuses a request by.
type Dimension uint8

// The dimensions, in the order in which WhyPersonal and WhyContextual look at
// them. Numbers are stable (they are kept in traces): append only.
const (
	DimensionNone            Dimension = iota // the rule accepts
	DimensionInvalid                          // Validate refuses the rule, or there is no such rule
	DimensionPersonal                         // contextual request, personal rule (I10)
	DimensionPlace                            // in none of the included countries, regions and cities
	DimensionPlaceExcluded                    // in an excluded country, region or city
	DimensionPlacement                        // slot placement
	DimensionLanguage                         // language
	DimensionOS                               // operating system
	DimensionOSVersion                        // below the minimum version, or unknown
	DimensionAge                              // age band
	DimensionGender                           // gender
	DimensionInterest                         // none of the interests
	DimensionTag                              // none of the content tags
	DimensionSegment                          // an AND of ORs of segments does not hold
	DimensionSegmentExcluded                  // in an excluded segment
	DimensionDaypart                          // closed at this hour
	dimensionCount
)

var dimensionNames = [dimensionCount]string{
	"none", "invalid", "personal", "place", "place_excluded", "placement", "language", "os", "os_version",
	"age", "gender", "interest", "tag", "segment", "segment_excluded", "daypart",
}

// String gives the word used in traces and reports.
func (d Dimension) String() string {
	if d < dimensionCount {
		return dimensionNames[d]
	}
	return "unknown"
}
