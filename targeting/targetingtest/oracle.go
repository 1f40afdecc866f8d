package targetingtest

import (
	"slices"

	"mazad/targeting"
)

// Accepts says whether the rule accepts a personal request, one constraint after
// another.
func Accepts(r *targeting.Rule, q *targeting.Personal) bool {
	if r.Validate() != nil {
		return false
	}
	placeWanted := len(r.Countries)+len(r.Regions)+len(r.Cities) > 0
	inPlace := known(r.Countries, q.Country) || known(r.Regions, q.Region) || known(r.Cities, q.City)
	if placeWanted && !inPlace {
		return false
	}
	if known(r.ExcludeCountries, q.Country) || known(r.ExcludeRegions, q.Region) || known(r.ExcludeCities, q.City) {
		return false
	}
	if r.Gender != targeting.GenderUnlimited && r.Gender != q.Gender {
		return false
	}
	if !version(r, q.OS, q.OSVersion) {
		return false
	}
	if len(r.Interests) > 0 && !overlap(r.Interests, q.Interests) {
		return false
	}
	for _, clause := range r.Segments {
		if !overlap(clause, q.Segments) {
			return false
		}
	}
	if overlap(r.ExcludeSegments, q.Segments) {
		return false
	}
	return content(r, &q.Contextual)
}

// AcceptsContextual says whether the rule accepts a contextual request.
func AcceptsContextual(r *targeting.Rule, q *targeting.Contextual) bool {
	if r.Validate() != nil {
		return false
	}
	if len(r.Cities) > 0 || len(r.ExcludeCities) > 0 || r.Gender != 0 || r.MinAndroid != 0 || r.MinIOS != 0 ||
		len(r.Interests) > 0 || len(r.Segments) > 0 || len(r.ExcludeSegments) > 0 {
		return false
	}
	if len(r.Countries)+len(r.Regions) > 0 && !known(r.Countries, q.Country) && !known(r.Regions, q.Region) {
		return false
	}
	if known(r.ExcludeCountries, q.Country) || known(r.ExcludeRegions, q.Region) {
		return false
	}
	return content(r, q)
}

// content is what both kinds of request share, place apart.
func content(r *targeting.Rule, q *targeting.Contextual) bool {
	if r.Ages != 0 && (q.Age == targeting.AgeUnknown || r.Ages&(1<<q.Age) == 0) {
		return false
	}
	if r.OS != 0 && (q.OS == targeting.OSUnknown || r.OS&(1<<q.OS) == 0) {
		return false
	}
	if r.Placements != 0 && (q.Placement == targeting.PlacementUnknown || r.Placements&(1<<q.Placement) == 0) {
		return false
	}
	if len(r.Languages) > 0 && !known(r.Languages, q.Language) {
		return false
	}
	if len(r.Tags) > 0 && !overlap(r.Tags, q.Tags) {
		return false
	}
	if r.Dayparting == (targeting.Dayparting{}) {
		return true
	}
	if int(r.Zone) >= len(q.HalfHour) {
		return false
	}
	half := int(q.HalfHour[r.Zone])
	return half < 336 && r.Dayparting[half/48]&(1<<(half%48)) != 0
}

func version(r *targeting.Rule, os targeting.OS, v targeting.Version) bool {
	switch os {
	case targeting.Android:
		return r.MinAndroid == 0 || v >= r.MinAndroid
	case targeting.IOS:
		return r.MinIOS == 0 || v >= r.MinIOS
	case targeting.Other:
		return true
	}
	return r.MinAndroid == 0 && r.MinIOS == 0
}

func known[T ~uint16 | ~uint32 | ~uint64](list []T, v T) bool {
	return v != 0 && slices.Contains(list, v)
}

func overlap[T comparable](a, b []T) bool {
	for _, v := range a {
		if slices.Contains(b, v) {
			return true
		}
	}
	return false
}
