package targeting

// Dimension names what a rule refuses a request by.
type Dimension uint8

// The dimensions, in the order in which Why and WhyContextual look at them.
// Numbers are stable (they are kept in traces): append only.
const (
	DimensionNone            Dimension = iota // the rule accepts
	DimensionInvalid                          // Validate refuses the rule, or there is no such rule
	DimensionPersonal                         // contextual request, personal rule (I10)
	DimensionPlace                            // in none of the included countries, regions and cities
	DimensionPlacement                        // slot placement
	DimensionOS                               // operating system
	DimensionOSVersion                        // below the minimum version, or unknown
	DimensionAge                              // age band
	DimensionGender                           // gender
	DimensionPlaceExcluded                    // in an excluded country, region or city
	DimensionLanguage                         // language
	DimensionInterest                         // none of the interests
	DimensionTag                              // none of the content tags
	DimensionSegment                          // an AND of ORs of segments does not hold
	DimensionSegmentExcluded                  // in an excluded segment
	DimensionDaypart                          // closed at this hour
	dimensionCount
)

// DimensionCount is the number of dimensions, for fixed arrays of counters.
const DimensionCount = int(dimensionCount)

var dimensionNames = [dimensionCount]string{
	"none", "invalid", "personal", "place", "placement", "os", "os_version", "age", "gender",
	"place_excluded", "language", "interest", "tag", "segment", "segment_excluded", "daypart",
}

// String gives the word used in traces and reports.
func (d Dimension) String() string {
	if d < dimensionCount {
		return dimensionNames[d]
	}
	return "unknown"
}

// Why names the first dimension by which rule ord refuses q, DimensionNone when
// it accepts. It uses the checks that Match runs on survivors; that they agree
// with the bitmaps is tested for every rule. It allocates: for a whole auction
// use Explain.
func (ix *Index) Why(ord Ord, q *Personal) Dimension {
	var s Scratch
	s.beginPersonal(&ix.personal, q)
	return ix.personal.why(ord, &s)
}

// WhyContextual is Why for a contextual request.
func (ix *Index) WhyContextual(ord Ord, q *Contextual) Dimension {
	if int(ord) >= ix.Len() || !ix.personal.heads[ord].valid {
		return DimensionInvalid
	}
	var s Scratch
	s.beginContextual(&ix.contextual, q)
	return ix.contextual.why(ord, &s)
}

// Explain calls each with every rule, ascending, and what Why says of it.
func (ix *Index) Explain(q *Personal, s *Scratch, each func(Ord, Dimension)) {
	s.beginPersonal(&ix.personal, q)
	for ord := range Ord(ix.Len()) {
		each(ord, ix.personal.why(ord, s))
	}
	s.end()
}

// ExplainContextual is Explain for a contextual request.
func (ix *Index) ExplainContextual(q *Contextual, s *Scratch, each func(Ord, Dimension)) {
	s.beginContextual(&ix.contextual, q)
	next := 0
	for ord := range Ord(ix.Len()) {
		d := DimensionPersonal
		switch {
		case !ix.personal.heads[ord].valid:
			d = DimensionInvalid
		case next < len(ix.contextual.ords) && ix.contextual.ords[next] == ord:
			d = ix.contextual.heads[next].why(&ix.contextual.prog, &s.context, s.has)
			next++
		}
		each(ord, d)
	}
	s.end()
}
