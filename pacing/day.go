package pacing

import "time"

// DayKey is the local date of an instant as yyyymmdd.
func DayKey(now time.Time, zone *time.Location) int32 {
	y, m, d := now.In(zone).Date()
	return int32(y*10000 + int(m)*100 + d)
}

// Day is one uninterrupted run of a local date. It lasts 24 hours, or 23 or 25
// where a clock changes; where a clock is set back across midnight one date has
// two runs.
type Day struct {
	Key        int32
	Start, End time.Time // UTC; End is the next roll
}

// DayAt finds the day that contains now.
func DayAt(now time.Time, zone *time.Location) Day {
	key := DayKey(now, zone)
	return Day{Key: key, Start: dayStart(now, zone, key).UTC(), End: NextRoll(now, zone).UTC()}
}

// NextRoll is the first instant after now with another local date.
func NextRoll(now time.Time, zone *time.Location) time.Time {
	key := DayKey(now, zone)
	for t := now.In(zone); ; {
		_, change := t.ZoneBounds()
		midnight := t.Add(untilMidnight(t)) // by the offset in force at t
		if change.IsZero() || midnight.Before(change) {
			return midnight
		}
		if DayKey(change, zone) != key {
			return change
		}
		t = change.In(zone)
	}
}

func dayStart(now time.Time, zone *time.Location, key int32) time.Time {
	for t := now.In(zone); ; {
		change, _ := t.ZoneBounds()
		midnight := t.Add(untilMidnight(t) - 24*time.Hour)
		if change.IsZero() || !midnight.Before(change) {
			return midnight
		}
		before := change.Add(-1).In(zone)
		if DayKey(before, zone) != key {
			return change
		}
		t = before
	}
}

// untilMidnight is the time left on a clock that is not changed today.
func untilMidnight(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return 24*time.Hour - time.Duration(h)*time.Hour - time.Duration(m)*time.Minute -
		time.Duration(s)*time.Second - time.Duration(t.Nanosecond())
}

// weekNumber counts the weeks of dayNumber, from Monday to Sunday.
func weekNumber(day uint32) uint32 { return (day + 1) / 7 }

// dayNumber counts days in the proleptic Gregorian calendar, so that
// neighbouring dates have neighbouring numbers (the usual trick of starting
// the year in March).
func dayNumber(key int32) uint32 {
	y, m, d := key/10000, key/100%100, key%100
	if m <= 2 {
		y--
		m += 12
	}
	return uint32(365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d)
}
