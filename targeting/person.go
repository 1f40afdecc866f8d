package targeting

import "fmt"

// Band is an age band, as in TikTok's age_groups.
type Band uint8

// The bands. AgeUnknown is also what a request carries for anybody under 13.
const (
	AgeUnknown Band = iota
	Age13_17
	Age18_24
	Age25_34
	Age35_44
	Age45_54
	Age55_100
	bandCount
)

var bandNames = [bandCount]string{"AGE_UNKNOWN", "AGE_13_17", "AGE_18_24", "AGE_25_34", "AGE_35_44", "AGE_45_54", "AGE_55_100"}

func (b Band) String() string {
	if b < bandCount {
		return bandNames[b]
	}
	return bandNames[AgeUnknown]
}

// ParseBand reads a name such as "AGE_18_24". AGE_UNKNOWN cannot be targeted
// and is refused.
func ParseBand(s string) (Band, error) {
	for b := Age13_17; b < bandCount; b++ {
		if bandNames[b] == s {
			return b, nil
		}
	}
	return 0, fmt.Errorf("age group %q: want one of AGE_13_17, AGE_18_24, AGE_25_34, AGE_35_44, AGE_45_54, AGE_55_100", clip(s))
}

// BandOf gives the band of an age in years; 0 and ages under 13 are AgeUnknown.
func BandOf(years uint8) Band {
	switch {
	case years < 13:
		return AgeUnknown
	case years < 18:
		return Age13_17
	case years < 25:
		return Age18_24
	case years < 35:
		return Age25_34
	case years < 45:
		return Age35_44
	case years < 55:
		return Age45_54
	}
	return Age55_100
}

// AgeSet is a set of bands, bit b for Band b. The empty set is no constraint;
// AgeUnknown is never a member.
type AgeSet uint8

const allAges AgeSet = 1<<bandCount - 2

// AgesOf is the set of the given bands.
func AgesOf(bands ...Band) AgeSet {
	var s AgeSet
	for _, b := range bands {
		s |= 1 << b
	}
	return s
}

// Has reports whether b is a member.
func (s AgeSet) Has(b Band) bool { return b < bandCount && s&allAges>>b&1 == 1 }

// Gender is what the profile or the request says; in a Rule GenderUnlimited is
// no constraint, in a request it is unknown.
type Gender uint8

// The genders that can be targeted.
const (
	GenderUnlimited Gender = iota
	Male
	Female
	genderCount
)

var genderNames = [genderCount]string{"GENDER_UNLIMITED", "GENDER_MALE", "GENDER_FEMALE"}

func (g Gender) String() string {
	if g < genderCount {
		return genderNames[g]
	}
	return genderNames[GenderUnlimited]
}

// ParseGender reads GENDER_MALE, GENDER_FEMALE or GENDER_UNLIMITED.
func ParseGender(s string) (Gender, error) {
	for g := range genderCount {
		if genderNames[g] == s {
			return g, nil
		}
	}
	return 0, fmt.Errorf("gender %q: want GENDER_MALE, GENDER_FEMALE or GENDER_UNLIMITED", clip(s))
}

// Interest is a node of the operator's interest tree.
type Interest uint32

// Segment is a named set of users, minted by the audience room's owner.
type Segment uint32
