package audience

import "time"

// Day is a calendar day, counted from 1970-01-01 in whatever zone its owner
// keeps (the advertiser's).
type Day int32

// DayOf gives the local calendar day of t in t's own zone.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Cap allows Impressions per user and ad group in the Days most recent calendar
// days, today included.
type Cap struct {
	Impressions uint8 // 1..255
	Days        uint8 // 1..7
}

// FrequencySlot is a reserved impression. Zero is none.
type FrequencySlot uint64

// FrequencyOutcome says what Reserve decided.
type FrequencyOutcome uint8

// The outcomes.
const (
	FrequencyReserved FrequencyOutcome = iota
	FrequencyCapped
	FrequencyFull // no room to count: treated as capped
)

// Frequency counts impressions per user and ad group.
type Frequency struct{}

// NewFrequency returns a counter with room for about entries pairs.
func NewFrequency(entries int, seed uint64) *Frequency { return &Frequency{} }

// Reserve counts one impression if the cap allows it.
func (f *Frequency) Reserve(user, adGroup uint64, c Cap, today Day) (FrequencySlot, FrequencyOutcome) {
	return 0, FrequencyFull
}

// Commit makes a reserved impression final.
func (f *Frequency) Commit(s FrequencySlot) {}

// Release takes a reserved impression back.
func (f *Frequency) Release(s FrequencySlot) {}
