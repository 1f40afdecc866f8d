package targeting

import "fmt"

// Half-hours of a day and of a week.
const (
	HalfHoursPerDay  = 48
	HalfHoursPerWeek = 7 * HalfHoursPerDay
)

// HalfHourUnknown in a query means that the local time of a zone is not known.
const HalfHourUnknown uint16 = 0xFFFF

// Dayparting says in which half-hours of the week an ad group is open: one word
// per day from Monday, bit h for the half-hour starting at h*30 minutes local
// time. The zero value is no constraint (always open).
type Dayparting [7]uint64

// ParseDayparting reads TikTok's form: 336 characters, '1' open and '0' closed,
// 48 half-hours of Monday first. Empty means always, and so does a string of
// only ones; one of only zeros is refused, since it would never be open.
func ParseDayparting(s string) (Dayparting, error) {
	var d Dayparting
	if s == "" {
		return d, nil
	}
	if len(s) != HalfHoursPerWeek {
		return d, fmt.Errorf("dayparting: %d characters: want %d, 48 half-hours for each of 7 days from Monday", len(s), HalfHoursPerWeek)
	}
	open := 0
	for i := range len(s) {
		switch s[i] {
		case '1':
			d[i/HalfHoursPerDay] |= 1 << (i % HalfHoursPerDay)
			open++
		case '0':
		default:
			return Dayparting{}, fmt.Errorf("dayparting: character %d is %q: want 0 or 1", i+1, s[i])
		}
	}
	switch open {
	case 0:
		return d, fmt.Errorf("dayparting: no half-hour is open: want at least one 1")
	case HalfHoursPerWeek:
		return Dayparting{}, nil
	}
	return d, nil
}

// String gives the 336 characters; always open gives only ones.
func (d Dayparting) String() string {
	var b [HalfHoursPerWeek]byte
	for i := range b {
		b[i] = '0'
		if d.Open(uint16(i)) {
			b[i] = '1'
		}
	}
	return string(b[:])
}

// Always reports the zero value: no constraint.
func (d *Dayparting) Always() bool { return *d == Dayparting{} }

// Open reports whether half-hour h of the week (0..335) is open; an unknown
// half-hour is closed unless the schedule is always open.
func (d *Dayparting) Open(h uint16) bool {
	if d.Always() {
		return true
	}
	return h < HalfHoursPerWeek && d[h/HalfHoursPerDay]>>(h%HalfHoursPerDay)&1 == 1
}
