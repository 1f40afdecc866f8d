package campaign

import (
	"errors"
	"strconv"
	"strings"

	"mazad/targeting"
)

// Rule compiles what the ad group asks for. zone is the position of the
// advertiser's time zone in the query's HalfHour; the error lists every field
// that Validate would refuse.
func (g *AdGroup) Rule(zone uint16) (targeting.Rule, error) {
	var l list
	r := g.compile(&l)
	r.Zone = zone
	return r, l.err()
}

func (g *AdGroup) checkTargeting(l *list) {
	r := g.compile(l)
	if len(l.errs) > 0 {
		return
	}
	if err := r.Validate(); err != nil {
		l.add(CodeOutOfRange, "targeting", "", "", "%s", err)
	}
}

func (g *AdGroup) compile(l *list) targeting.Rule {
	var r targeting.Rule
	g.compilePlacements(l, &r)
	r.Countries, r.Regions, r.Cities = locations(l, "location_ids", g.LocationIDs)
	r.ExcludeCountries, r.ExcludeRegions, r.ExcludeCities = locations(l, "excluded_location_ids", g.ExcludedLocationIDs)
	for _, b := range parsed(l, "age_groups", g.AgeGroups, len(g.AgeGroups), targeting.ParseBand) {
		r.Ages |= targeting.AgesOf(b)
	}
	if gender, err := targeting.ParseGender(string(g.Gender)); err != nil {
		enum(l, "gender", g.Gender, GenderUnlimited, GenderMale, GenderFemale)
	} else {
		r.Gender = gender
	}
	r.Languages = parsed(l, "languages", g.Languages, MaxLanguages, targeting.ParseLanguage)
	g.compileDevices(l, &r)
	r.Interests = parsed(l, "interest_category_ids", g.InterestCategoryIDs, MaxInterests, number[targeting.Interest])
	r.Tags = parsed(l, "contextual_tag_ids", g.ContextualTagIDs, MaxTags, tag)
	if len(g.AudienceIDs) > 0 {
		r.Segments = append(r.Segments, parsed(l, "audience_ids", g.AudienceIDs, MaxSegments, number[targeting.Segment]))
	}
	if l.count("audience_rule", len(g.AudienceRule), MaxClauses) {
		for i, clause := range g.AudienceRule {
			at := index("audience_rule", i)
			if len(clause) == 0 {
				l.add(CodeRequired, at, "", "", "must name at least one audience")
				continue
			}
			r.Segments = append(r.Segments, parsed(l, at, clause, MaxSegments, number[targeting.Segment]))
		}
	}
	r.ExcludeSegments = parsed(l, "excluded_audience_ids", g.ExcludedAudienceIDs, MaxSegments, number[targeting.Segment])
	if d, err := targeting.ParseDayparting(g.Dayparting); err == nil { // checkSchedule has told otherwise
		r.Dayparting = d
	}
	return r
}

func (g *AdGroup) compilePlacements(l *list, r *targeting.Rule) {
	if !enum(l, "placement_type", g.PlacementType, PlacementAutomatic, PlacementNormal) {
		return
	}
	if g.PlacementType == PlacementAutomatic {
		if len(g.Placements) > 0 {
			l.add(CodeNotTogether, "placements", "", "", "must be left out when placement_type is %s", g.PlacementType)
		}
		return
	}
	if len(g.Placements) == 0 {
		l.add(CodeRequired, "placements", "", "", "must be given when placement_type is %s", g.PlacementType)
	}
	for _, p := range parsed(l, "placements", g.Placements, len(g.Placements), targeting.ParsePlacement) {
		r.Placements |= targeting.PlacementsOf(p)
	}
}

func (g *AdGroup) compileDevices(l *list, r *targeting.Rule) {
	enums(l, "operating_systems", g.OperatingSystems, 2, Android, IOS)
	for _, s := range g.OperatingSystems {
		if o, err := targeting.ParseOS(string(s)); err == nil {
			r.OS |= targeting.OSOf(o)
		}
	}
	r.MinAndroid = g.minVersion(l, "min_android_version", g.MinAndroidVersion, Android)
	r.MinIOS = g.minVersion(l, "min_ios_version", g.MinIOSVersion, IOS)
}

func (g *AdGroup) minVersion(l *list, field, s string, os OperatingSystem) targeting.Version {
	if s == "" {
		return 0
	}
	v, err := targeting.ParseVersion(s)
	if err != nil || v == 0 {
		l.add(CodeMalformed, field, s, "", "must be a version such as 13 or 13.4.1")
		return 0
	}
	if len(g.OperatingSystems) > 0 && !member(os, g.OperatingSystems...) {
		l.add(CodeNotTogether, field, s, "", "is given, but operating_systems leaves out %s", os)
	}
	return v
}

// locations sorts location ids into countries, regions and cities.
func locations(l *list, field string, ids []string) (cs []targeting.Country, rs []targeting.Region, towns []targeting.City) {
	if !l.count(field, len(ids), MaxLocations) {
		return
	}
	seen := make(map[string]bool, len(ids))
	for i, s := range ids {
		if seen[s] {
			l.add(CodeDuplicate, index(field, i), s, "", "is given twice")
			continue
		}
		seen[s] = true
		if c, err := targeting.ParseCountry(s); err == nil {
			cs = append(cs, c)
		} else if r, err := targeting.ParseRegion(s); err == nil {
			rs = append(rs, r)
		} else if n, err := number[targeting.City](s); err == nil {
			towns = append(towns, n)
		} else {
			l.add(CodeMalformed, index(field, i), s, "", `must be a country ("SA"), a region ("SA-01") or a GeoNames city id`)
		}
	}
	return
}

// parsed reads every value of a list and reports those that cannot be read and
// those that come twice.
func parsed[S ~string, T comparable](l *list, field string, in []S, most int, parse func(string) (T, error)) []T {
	if len(in) == 0 || !l.count(field, len(in), most) {
		return nil
	}
	out := make([]T, 0, len(in))
	seen := make(map[T]bool, len(in))
	for i, s := range in {
		v, err := parse(string(s))
		switch {
		case err != nil:
			l.add(CodeUnknownValue, index(field, i), string(s), "", "%s", reason(err))
		case seen[v]:
			l.add(CodeDuplicate, index(field, i), string(s), "", "is given twice")
		default:
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// reason is what a parser said after the value, which the caller names itself.
func reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		s = s[i+2:]
	}
	return s
}

var errNumber = errors.New("want a number from 1 to 4294967295")

func number[T ~uint32](s string) (T, error) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil && n > 0 && s[0] != '+' && s[0] != '0' {
		return T(n), nil
	}
	return 0, errNumber
}

var errTag = errors.New("want a word of 1 to " + strconv.Itoa(MaxTagBytes) + " bytes without spaces at its ends")

func tag(s string) (targeting.Tag, error) {
	if s == "" || len(s) > MaxTagBytes || strings.TrimSpace(s) != s {
		return 0, errTag
	}
	return targeting.TagOf([]byte(s)), nil
}

// checkMinors refuses what may not be asked of a group that includes people
// under 18 (I10): everything personal, and objectives that sell or collect.
func (g *AdGroup) checkMinors(l *list, c *Campaign) {
	if !member(Age13to17, g.AgeGroups...) {
		return
	}
	personal := []struct {
		field string
		used  bool
	}{
		{"gender", g.Gender != GenderUnlimited},
		{"interest_category_ids", len(g.InterestCategoryIDs) > 0},
		{"audience_ids", len(g.AudienceIDs) > 0},
		{"audience_rule", len(g.AudienceRule) > 0},
		{"excluded_audience_ids", len(g.ExcludedAudienceIDs) > 0},
		{"location_ids", hasCity(g.LocationIDs)},
		{"excluded_location_ids", hasCity(g.ExcludedLocationIDs)},
		{"min_android_version", g.MinAndroidVersion != ""},
		{"min_ios_version", g.MinIOSVersion != ""},
	}
	for _, p := range personal {
		if p.used {
			what := ""
			if strings.Contains(p.field, "location") {
				what = " by city"
			}
			l.add(CodeMinors, p.field, "", "age, language, country or region, operating system, placement and contextual tags",
				"cannot target%s when age_groups include %s", what, Age13to17)
		}
	}
	if member(c.Objective, ObjectiveLeadGeneration, ObjectiveProductSales) {
		l.add(CodeMinors, "age_groups", string(Age13to17), "", "is not allowed when objective_type is %s", c.Objective)
	}
}

func hasCity(ids []string) bool {
	for _, s := range ids {
		if _, err := number[targeting.City](s); err == nil {
			return true
		}
	}
	return false
}

// checkIndustry keeps housing, employment and credit ads from choosing people
// by age or gender.
func (g *AdGroup) checkIndustry(l *list, c *Campaign) {
	if len(c.SpecialIndustries) == 0 {
		return
	}
	if len(g.AgeGroups) > 0 {
		l.add(CodeNotTogether, "age_groups", "", "", "must be left out in a campaign of special_industries %s", words(c.SpecialIndustries...))
	}
	if g.Gender != GenderUnlimited {
		l.add(CodeNotTogether, "gender", string(g.Gender), string(GenderUnlimited), "cannot be targeted in a campaign of special_industries %s", words(c.SpecialIndustries...))
	}
}
