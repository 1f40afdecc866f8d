package audience

// UserOrd is the dense number of a user, given by audience/store and never
// reused. Numbers start at 1; zero is nobody.
type UserOrd uint32

// Limits of one user.
const (
	MaxUserID    = 128 // bytes
	MaxInterests = 64
	MaxSegments  = 256
	MaxAge       = 120 // years
)

// Gender as the operator's app reports it; the numbers are those of targeting.
type Gender uint8

// The genders.
const (
	GenderUnknown Gender = iota
	GenderMale
	GenderFemale
)

// Language is an ISO 639-1 code packed as targeting packs it: two lower-case
// letters, the first in the high byte. Zero is unknown.
type Language uint16

// Consent is what a user has said about personal advertising.
type Consent uint8

// The consents. Unknown is neither: the country's rule decides.
const (
	ConsentUnknown Consent = iota
	ConsentGranted
	ConsentDenied
)

// Profile is what is known of a user. The zero value is a valid empty profile.
type Profile struct {
	Known     bool    // the operator has sent a profile
	Ord       UserOrd // zero when the id was never seen
	Age       uint8   // years; 0 = unknown
	Gender    Gender
	Language  Language
	Consent   Consent
	Interests []uint32 // ascending
	Segments  []uint32 // ascending
}

// Reset empties the profile and keeps its memory.
func (p *Profile) Reset() {
	*p = Profile{Interests: p.Interests[:0], Segments: p.Segments[:0]}
}
