package audience

import "fmt"

// Universe is the set of things that a request may be matched by.
type Universe uint8

// The universes. The zero value is the restrictive one.
const (
	Contextual Universe = iota
	Personal
)

func (u Universe) String() string {
	if u == Personal {
		return "personal"
	}
	return "contextual"
}

// Ages that the rules turn on, in years.
const (
	adultAge = 18 // personal targeting
	teenAge  = 13 // shop and lead ads
)

// Signals is what one request says. Absent values are zero.
type Signals struct {
	Age     uint8   // years; 0 = unknown
	COPPA   bool    // the app or the exchange says: a child
	LMT     bool    // the device limits ad tracking
	GPC     bool    // Global Privacy Control
	GDPR    bool    // the exchange says that GDPR applies
	Consent Consent // given with the request
	Country [2]byte // ISO 3166-1, capitals; zero = unknown
}

// Reason says why Decide chose a universe. Numbers are stable: append only.
type Reason uint8

// The reasons, in order of precedence: of several that apply, Decide names the
// first.
const (
	ReasonPermitted    Reason = iota // personal
	ReasonCOPPA                      // coppa=1
	ReasonChild                      // under 13
	ReasonMinor                      // 13 to 17
	ReasonAgeUnknown                 // and Policy.AgeUnknownIsAdult is false
	ReasonGPC                        // Global Privacy Control
	ReasonLMT                        // limited ad tracking
	ReasonDenied                     // the request or the profile says no
	ReasonNoPermission               // opt-in country, and nobody said yes
	reasonCount
)

var reasonNames = [reasonCount]string{"permitted", "coppa", "child", "minor", "age_unknown", "gpc", "lmt", "denied", "no_permission"}

// String gives the word used in answers, metrics and reports.
func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return "unknown"
}

// Child reports whether the request is from a child under 13, for whom shop and
// lead ads are left out too. Reasons of children come first in the order of
// precedence, so no other reason hides one.
func (r Reason) Child() bool { return r == ReasonCOPPA || r == ReasonChild }

// Policy is the operator's choice. The zero value is the strictest: every
// country opt-in, unknown age treated as a minor's.
type Policy struct {
	AgeUnknownIsAdult bool       // the app admits adults only
	OptOut            CountrySet // countries where silence is permission
}

// Decide chooses the universe of one request; pr may be nil or empty. The most
// restrictive of what the request and the profile say wins:
//
//  1. coppa, an age under 13, an age under 18 (the lower of the two ages counts),
//     an unknown age: contextual.
//  2. GPC, LMT, a denial by either: contextual.
//  3. A grant by either: personal.
//  4. Silence: personal only in an opt-out country where GDPR does not apply.
//
// An unknown country is opt-in.
func (p *Policy) Decide(s Signals, pr *Profile) (Universe, Reason) {
	age, consent := s.Age, s.Consent
	if pr != nil {
		if pr.Age != 0 && (age == 0 || pr.Age < age) {
			age = pr.Age
		}
		consent = max(consent, pr.Consent) // Denied > Granted > Unknown
	}
	switch {
	case s.COPPA:
		return Contextual, ReasonCOPPA
	case age != 0 && age < teenAge:
		return Contextual, ReasonChild
	case age != 0 && age < adultAge:
		return Contextual, ReasonMinor
	case age == 0 && !p.AgeUnknownIsAdult:
		return Contextual, ReasonAgeUnknown
	case s.GPC:
		return Contextual, ReasonGPC
	case s.LMT:
		return Contextual, ReasonLMT
	case consent >= ConsentDenied:
		return Contextual, ReasonDenied
	case consent == ConsentGranted:
		return Personal, ReasonPermitted
	case !s.GDPR && p.OptOut.Has(s.Country):
		return Personal, ReasonPermitted
	}
	return Contextual, ReasonNoPermission
}

// CountrySet is a set of ISO 3166-1 codes; the zero value is empty.
type CountrySet [(26*26 + 63) / 64]uint64

// CountriesOf is the set of the given codes: CountriesOf("US", "JP").
func CountriesOf(codes ...string) (CountrySet, error) {
	var s CountrySet
	for _, c := range codes {
		if len(c) != 2 {
			return CountrySet{}, fmt.Errorf("country %.40q: want two capital letters (ISO 3166-1)", c)
		}
		i, ok := countryBit([2]byte{c[0], c[1]})
		if !ok {
			return CountrySet{}, fmt.Errorf("country %q: want two capital letters (ISO 3166-1)", c)
		}
		s[i/64] |= 1 << (i % 64)
	}
	return s, nil
}

// Has reports whether the country is a member; anything but two capitals is not.
func (s *CountrySet) Has(country [2]byte) bool {
	i, ok := countryBit(country)
	return ok && s[i/64]>>(i%64)&1 == 1
}

func countryBit(c [2]byte) (int, bool) {
	a, b := c[0]-'A', c[1]-'A'
	return int(a)*26 + int(b), a < 26 && b < 26
}
