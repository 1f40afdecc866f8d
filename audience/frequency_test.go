package audience_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/audience"

	"pgregory.net/rapid"
)

// model keeps every impression: pair -> day -> count.
type model map[[2]uint64]map[audience.Day]int

func (m model) seen(pair [2]uint64, c audience.Cap, today audience.Day) int {
	n := 0
	for d, k := range m[pair] {
		if d > today-audience.Day(c.Days) && d <= today {
			n += k
		}
	}
	return n
}

func TestFrequencyEqualsModel(t *testing.T) {
	type open struct {
		slot audience.FrequencySlot
		pair [2]uint64
		day  audience.Day
	}
	rapid.Check(t, func(t *rapid.T) {
		f := audience.NewFrequency(0, rapid.Uint64().Draw(t, "seed"))
		m := model{}
		var opens []open
		today := audience.Day(20_000)
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op == 0:
				today += audience.Day(rapid.IntRange(1, 9).Draw(t, "days"))
			case op <= 3 && len(opens) > 0:
				i := rapid.IntRange(0, len(opens)-1).Draw(t, "which")
				o := opens[i]
				opens = append(opens[:i], opens[i+1:]...)
				if op == 1 {
					f.Release(o.slot)
					m[o.pair][o.day]--
				} else {
					f.Commit(o.slot)
				}
			default:
				pair := [2]uint64{rapid.Uint64Range(1, 4).Draw(t, "user"), rapid.Uint64Range(1, 3).Draw(t, "ad group")}
				c := audience.Cap{Impressions: rapid.Uint8Range(1, 4).Draw(t, "n"), Days: rapid.Uint8Range(1, 7).Draw(t, "d")}
				slot, got := f.Reserve(pair[0], pair[1], c, today)
				want := m.seen(pair, c, today) < int(c.Impressions)
				if (got == audience.FrequencyReserved) != want {
					t.Fatalf("pair %v, cap %+v, day %d: outcome %d, want room %v", pair, c, today, got, want)
				}
				if want {
					if m[pair] == nil {
						m[pair] = map[audience.Day]int{}
					}
					m[pair][today]++
					opens = append(opens, open{slot, pair, today})
				}
			}
		}
		if f.Stats().Stale.Load() != 0 || f.Stats().Full.Load() != 0 {
			t.Fatalf("stale %d, full %d", f.Stats().Stale.Load(), f.Stats().Full.Load())
		}
	})
}

func TestFrequencyFullIsRefusedAndOldPairsAreEvicted(t *testing.T) {
	f := audience.NewFrequency(0, 1)
	once, day := audience.Cap{Impressions: 1, Days: 7}, audience.Day(100)
	reserved := 0
	for user := range uint64(4 * f.Capacity()) {
		slot, got := f.Reserve(user, 1, once, day)
		if got == audience.FrequencyReserved {
			reserved++
			f.Commit(slot)
		}
	}
	full := f.Stats().Full.Load()
	if reserved > f.Capacity() || reserved < f.Capacity()*8/10 || full == 0 {
		t.Errorf("%d of %d places used, %d refused", reserved, f.Capacity(), full)
	}
	again := 0
	for user := range uint64(4 * f.Capacity()) {
		if _, got := f.Reserve(user, 1, once, day+6); got == audience.FrequencyReserved {
			again++
		}
	}
	if again != 0 || f.Stats().Evicted.Load() != 0 {
		t.Errorf("%d caps forgotten within the window, %d evicted", again, f.Stats().Evicted.Load())
	}
	if _, got := f.Reserve(1<<40, 1, once, day+8); got != audience.FrequencyReserved || f.Stats().Evicted.Load() != 1 {
		t.Errorf("after the window: outcome %d, evicted %d", got, f.Stats().Evicted.Load())
	}
}

func TestFrequencyClockStepsBack(t *testing.T) {
	f := audience.NewFrequency(0, 1)
	once, day := audience.Cap{Impressions: 1, Days: 1}, audience.Day(100)
	f.Reserve(1, 1, once, day)
	if _, got := f.Reserve(1, 1, once, day-1); got != audience.FrequencyCapped {
		t.Errorf("yesterday again: outcome %d, want capped", got)
	}
	if _, got := f.Reserve(1, 1, once, day-3000); got != audience.FrequencyReserved {
		t.Errorf("far in the past: outcome %d, want a new start", got)
	}
	if _, got := f.Reserve(1, 1, audience.Cap{}, day); got != audience.FrequencyCapped {
		t.Errorf("no cap at all: outcome %d, want capped", got)
	}
}

func TestFrequencyNeverExceededByMany(t *testing.T) {
	f := audience.NewFrequency(1000, 1)
	c := audience.Cap{Impressions: 50, Days: 2}
	var shown atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 400 {
				slot, got := f.Reserve(7, 7, c, 10)
				switch {
				case got != audience.FrequencyReserved:
				case i%3 == 0:
					f.Release(slot)
				default:
					f.Commit(slot)
					shown.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if shown.Load() != 50 {
		t.Errorf("%d impressions, want exactly 50", shown.Load())
	}
}

func TestFrequencySlotIsUsedOnce(t *testing.T) {
	f := audience.NewFrequency(0, 1)
	slot, _ := f.Reserve(1, 1, audience.Cap{Impressions: 1, Days: 1}, 10)
	f.Release(slot)
	f.Release(slot)
	f.Commit(slot)
	f.Commit(0)
	f.Release(0)
	f.Commit(1 << 60)
	if n := f.Stats().Stale.Load(); n != 3 {
		t.Errorf("%d stale uses counted, want 3", n)
	}
}

func TestDayOfIsTheLocalDay(t *testing.T) {
	f := func(at time.Time, want audience.Day) {
		t.Helper()
		if got := audience.DayOf(at); got != want {
			t.Errorf("%s: day %d, want %d", at, got, want)
		}
	}
	f(time.Unix(0, 0).UTC(), 0)
	f(time.Date(1970, 1, 2, 23, 59, 0, 0, time.UTC), 1)
	kathmandu := time.FixedZone("", 5*3600+45*60)
	f(time.Date(1970, 1, 2, 20, 0, 0, 0, time.UTC).In(kathmandu), 2)
	f(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), -1)
}

func TestReserveDoesNotAllocate(t *testing.T) {
	f := audience.NewFrequency(1000, 1)
	user := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		user++
		slot, _ := f.Reserve(user, 1, audience.Cap{Impressions: 2, Days: 7}, 10)
		f.Commit(slot)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReserve(b *testing.B) {
	f := audience.NewFrequency(1<<20, 1)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		slot, _ := f.Reserve(i*7919&0xFFFFF, i&3, audience.Cap{Impressions: 200, Days: 7}, 10)
		f.Commit(slot)
	}
}
