package serving

import (
	"time"

	"mazad/audience"
	"mazad/pacing"
	"mazad/targeting"
)

// calendar is the local time of every zone in a snapshot. It is computed off
// the path and swapped, so that a request does no zone arithmetic. It holds for
// one snapshot's zone list.
type calendar struct {
	zones    []*time.Location
	halfHour []uint16       // by zone: half-hour of the local week, 0..335, from Monday
	day      []int32        // by zone: yyyymmdd
	freqDay  []audience.Day // by zone
	from     time.Time      // a clock that was set back leaves it too
	until    time.Time      // when a half-hour begins in some zone
}

// newCalendar reads every zone's wall clock at now.
func newCalendar(zones []*time.Location, now time.Time) *calendar {
	c := &calendar{
		zones: zones, halfHour: make([]uint16, len(zones)), day: make([]int32, len(zones)),
		freqDay: make([]audience.Day, len(zones)),
		// Offsets are multiples of 15 minutes, so nothing changes inside a quarter.
		from:  now.Truncate(15 * time.Minute),
		until: now.Truncate(15 * time.Minute).Add(15 * time.Minute),
	}
	for i, z := range zones {
		local := now.In(z)
		weekday := (int(local.Weekday()) + 6) % 7
		c.halfHour[i] = uint16(weekday*targeting.HalfHoursPerDay + local.Hour()*2 + local.Minute()/30)
		c.day[i] = pacing.DayKey(now, z)
		c.freqDay[i] = audience.DayOf(local)
	}
	return c
}

// holds reports whether the calendar is still right at now for these zones.
func (c *calendar) holds(zones []*time.Location, now time.Time) bool {
	return c != nil && now.Before(c.until) && !now.Before(c.from) && len(zones) == len(c.zones) && (len(zones) == 0 || &zones[0] == &c.zones[0])
}
