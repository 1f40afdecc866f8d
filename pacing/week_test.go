package pacing_test

import (
	"testing"
	"time"

	"mazad/internal/money"
	"mazad/pacing"
)

// A weekly limit is one budget from Monday to Sunday, for twenty years of them.
func TestWeeksRunFromMondayToSunday(t *testing.T) {
	b := must(pacing.NewBook(pacing.BookConfig{MaxCells: 100}))
	id := must(b.AddWeekly())
	if id.Daily() || !id.Weekly() || !id.Recurs() {
		t.Errorf("limit %x", id)
	}
	chain := &pacing.Chain{pacing.AdGroupTotal: id}
	week, last := int32(0), int32(0)
	for at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2040; at = at.AddDate(0, 0, 1) {
		day := pacing.DayKey(at, time.UTC)
		if at.Weekday() == time.Monday || week == 0 {
			if last != 0 {
				if totals, ok := b.Retire(id, last); !ok || totals.Billed != money.SumOf(money.Nanos(7)) && last > 20200105 {
					t.Fatalf("week of %d: %+v, %v", last, totals, ok)
				}
			}
			if !b.Arm(id, day) || b.Grant(id, day, 7) != 7 {
				t.Fatalf("week of %d cannot be armed", day)
			}
			week = day
		} else if !b.Arm(id, day) {
			t.Fatalf("%d does not belong to the week of %d", day, week)
		}
		if ok, _ := b.Hold(chain, day, 1); !ok {
			t.Fatalf("no money on %d in the week of %d", day, week)
		}
		if b.Commit(chain, day, 1, 1) != 1 {
			t.Fatalf("not billed on %d", day)
		}
		last = day
	}
	if ok, place := b.Hold(chain, last, 7); ok || place != pacing.AdGroupTotal {
		t.Errorf("more than a week's budget was held: %v", place)
	}
	if totals, ok := b.Retire(id, last); !ok || totals.Held != 0 {
		t.Errorf("retire: %+v, %v", totals, ok)
	}
	if _, ok := b.Remove(id); !ok {
		t.Error("the limit cannot be removed")
	}
	if again := must(b.AddDaily()); again.Weekly() || !b.Arm(again, last) {
		t.Errorf("its cells cannot be used again: %x", again)
	}
	if st := b.Stats(); st.Misused != 0 {
		t.Errorf("misused %d times", st.Misused)
	}
}
