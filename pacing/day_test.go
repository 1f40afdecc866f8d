package pacing_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests need the zones whatever the machine has

	"mazad/pacing"
)

func zone(t testing.TB, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestDayLengths(t *testing.T) {
	f := func(name, at string, key int32, hours float64) {
		t.Helper()
		loc := zone(t, name)
		now, err := time.ParseInLocation("2006-01-02 15:04", at, loc)
		if err != nil {
			t.Fatal(err)
		}
		d := pacing.DayAt(now, loc)
		if d.Key != key || d.End.Sub(d.Start).Hours() != hours {
			t.Errorf("%s %s: day %d of %v h, want %d of %v h (%v to %v)", name, at, d.Key, d.End.Sub(d.Start).Hours(), key, hours, d.Start.In(loc), d.End.In(loc))
		}
	}
	f("UTC", "2026-02-28 23:59", 20260228, 24)
	f("Europe/Berlin", "2026-03-29 12:00", 20260329, 23)
	f("Europe/Berlin", "2026-03-29 01:30", 20260329, 23)
	f("Europe/Berlin", "2026-10-25 12:00", 20261025, 25)
	f("Europe/Berlin", "2026-10-26 00:00", 20261026, 24)
	f("America/New_York", "2026-03-08 12:00", 20260308, 23)
	f("America/New_York", "2026-11-01 00:00", 20261101, 25)
	f("Asia/Kathmandu", "2026-06-01 12:00", 20260601, 24)
	f("Australia/Lord_Howe", "2026-04-05 12:00", 20260405, 24.5) // half an hour
	f("America/Sao_Paulo", "2018-11-04 12:00", 20181104, 23)     // no midnight: the clock jumps 0:00 to 1:00
	f("America/Sao_Paulo", "2018-02-17 12:00", 20180217, 25)     // 24:00 is 23:00 again
	f("Pacific/Apia", "2011-12-29 12:00", 20111229, 24)          // the 30th did not happen
	f("Pacific/Apia", "2011-12-31 12:00", 20111231, 24)
	f("America/St_Johns", "2006-10-29 12:00", 20061029, 24) // set back at 0:01: the 28th runs twice
}

// Rolls over twenty years, from one to the next, are exactly the instants where
// the date changes.
func TestNextRollIsWhereTheDateChanges(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut", "Africa/Cairo", "UTC"} {
		loc := zone(t, name)
		for now := time.Date(2005, 1, 1, 5, 0, 0, 0, time.UTC); now.Year() < 2025; {
			d := pacing.DayAt(now, loc)
			if now.Before(d.Start) || !now.Before(d.End) || d.End != pacing.NextRoll(d.Start, loc).UTC() {
				t.Fatalf("%s: %v is outside %v to %v", name, now, d.Start, d.End)
			}
			for _, in := range []time.Time{d.Start, now, d.End.Add(-1)} {
				if pacing.DayKey(in, loc) != d.Key {
					t.Fatalf("%s: %v is %d, want %d", name, in, pacing.DayKey(in, loc), d.Key)
				}
			}
			if pacing.DayKey(d.End, loc) == d.Key || pacing.DayKey(d.Start.Add(-1), loc) == d.Key {
				t.Fatalf("%s: day %d does not end at %v or begin at %v", name, d.Key, d.End, d.Start)
			}
			now = d.End
		}
	}
}
