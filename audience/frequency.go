package audience

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Day is a calendar day, counted from 1970-01-01 in whatever zone its owner
// keeps (the advertiser's).
type Day int32

// DayOf gives the local calendar day of t in t's own zone.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// MaxCapDays is the longest window of a Cap.
const MaxCapDays = 7

// Cap allows Impressions per user and ad group in the Days most recent calendar
// days, today included.
type Cap struct {
	Impressions uint8 // 1..255
	Days        uint8 // 1..7
}

// Validate reports a cap out of its limits.
func (c Cap) Validate() error {
	if c.Impressions == 0 {
		return fmt.Errorf("frequency: 0 impressions: want 1 to 255")
	}
	if c.Days == 0 || c.Days > MaxCapDays {
		return fmt.Errorf("frequency_schedule: %d days: want 1 to %d", c.Days, MaxCapDays)
	}
	return nil
}

// FrequencySlot is a reserved impression, to be given to Commit or Release once.
// Zero is none.
type FrequencySlot uint64

// FrequencyOutcome says what Reserve decided.
type FrequencyOutcome uint8

// The outcomes.
const (
	FrequencyReserved FrequencyOutcome = iota
	FrequencyCapped
	FrequencyFull // no room to count: to be treated as capped
)

const (
	frequencyShards = 256 // locks; two requests meet in one of 256 at most
	bucketWays      = 8
)

// Frequency counts impressions per user and ad group in calendar days, in memory
// that is fixed at construction. A pair lives in one of two buckets of eight
// entries. When both are full of pairs that still count, Reserve answers
// FrequencyFull rather than forget one of them: a cap is never exceeded, at the
// price of an impression. Pairs whose last impression is out of every window are
// evicted, and counted. Any goroutine may call any method.
type Frequency struct {
	seed    uint64
	buckets uint64 // of all shards; a power of two
	shards  [frequencyShards]frequencyShard
	stats   FrequencyStats
}

// FrequencyStats counts outcomes; read the fields with Load.
type FrequencyStats struct {
	Reserved, Capped, Full atomic.Uint64
	Committed, Released    atomic.Uint64
	Evicted                atomic.Uint64 // pairs out of every window, replaced
	Stale                  atomic.Uint64 // Commit or Release of a slot that is no more
}

type frequencyShard struct {
	mu      sync.Mutex
	entries []frequencyEntry // owned by the holder of mu
	_       [32]byte         // keeps the locks of neighbours on separate cache lines
}

// frequencyEntry is one pair: 32 bytes.
type frequencyEntry struct {
	user, adGroup uint64
	day           Day // of counts[0]
	generation    uint16
	open          uint16            // reserved, neither committed nor released
	counts        [MaxCapDays]uint8 // counts[i]: impressions of day-i, reserved ones included
	taken         bool
}

// NewFrequency returns a counter with room for at least entries pairs (32 bytes
// each). seed places the pairs.
func NewFrequency(entries int, seed uint64) *Frequency {
	buckets := uint64(frequencyShards)
	for buckets*bucketWays < uint64(max(entries, 0)) {
		buckets *= 2
	}
	f := &Frequency{seed: seed, buckets: buckets}
	for i := range f.shards {
		f.shards[i].entries = make([]frequencyEntry, buckets/frequencyShards*bucketWays)
	}
	return f
}

// Stats gives the counters.
func (f *Frequency) Stats() *FrequencyStats { return &f.stats }

// Capacity is the number of pairs that there is room for.
func (f *Frequency) Capacity() int { return int(f.buckets) * bucketWays }

// Reserve counts one impression of today if the cap allows it. A day before the
// pair's latest counts as the latest, so a clock that steps back never frees a
// cap; a pair from more than a window in the future is taken for a broken clock's
// and starts again. A cap that Validate refuses is treated as reached.
func (f *Frequency) Reserve(user, adGroup uint64, c Cap, today Day) (FrequencySlot, FrequencyOutcome) {
	if c.Validate() != nil {
		f.stats.Capped.Add(1)
		return 0, FrequencyCapped
	}
	h := hashPair(f.seed, user, adGroup)
	shard := h % frequencyShards
	s := &f.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(h, user, adGroup, today, f)
	if at < 0 {
		f.stats.Full.Add(1)
		return 0, FrequencyFull
	}
	e := &s.entries[at]
	e.advance(today)
	seen := 0
	for _, n := range e.counts[:c.Days] {
		seen += int(n)
	}
	if seen >= int(c.Impressions) {
		f.stats.Capped.Add(1)
		return 0, FrequencyCapped
	}
	e.counts[0]++
	e.open++
	f.stats.Reserved.Add(1)
	return makeSlot(shard, at, e), FrequencyReserved
}

// find returns the pair's entry, taking a free or evictable one if it has none;
// -1 when there is none.
func (s *frequencyShard) find(h, user, adGroup uint64, today Day, f *Frequency) int {
	mask := uint64(len(s.entries)/bucketWays - 1)
	starts := [2]uint64{h >> 8 & mask * bucketWays, h >> 36 & mask * bucketWays}
	free, evicts := -1, false
	for _, start := range starts {
		for i := start; i < start+bucketWays; i++ {
			e := &s.entries[i]
			switch {
			case e.taken && e.user == user && e.adGroup == adGroup:
				return int(i)
			case !e.taken && (free < 0 || evicts):
				free, evicts = int(i), false
			case e.taken && free < 0 && e.dead(today):
				free, evicts = int(i), true
			}
		}
	}
	if free >= 0 {
		if evicts {
			f.stats.Evicted.Add(1)
		}
		e := &s.entries[free]
		*e = frequencyEntry{user: user, adGroup: adGroup, day: today, taken: true, generation: e.generation + 1}
	}
	return free
}

// dead reports whether no cap can count the pair any more. Days of different ad
// groups are in different zones, hence one day of grace.
func (e *frequencyEntry) dead(today Day) bool {
	if e.open > 0 {
		return false
	}
	for i, n := range e.counts {
		if n > 0 { // the latest impression
			age := int64(today) - int64(e.day) + int64(i)
			return age > MaxCapDays || age < -MaxCapDays-1
		}
	}
	return true
}

// advance makes counts[0] the count of today.
func (e *frequencyEntry) advance(today Day) {
	days := int64(today) - int64(e.day)
	switch {
	case days == 0 || days < 0 && days >= -MaxCapDays-1:
		return
	case days >= MaxCapDays || days < 0:
		e.counts = [MaxCapDays]uint8{}
	default:
		copy(e.counts[days:], e.counts[:MaxCapDays-days])
		clear(e.counts[:days])
	}
	e.day = today
}

// A slot: entry+1 in its shard (32 bits), shard (8), generation (16), day (8).
func makeSlot(shard uint64, at int, e *frequencyEntry) FrequencySlot {
	return FrequencySlot(uint64(at+1)<<32 | shard<<24 | uint64(e.generation)<<8 | uint64(uint8(e.day)))
}

// entry finds the slot's entry; nil when the entry was given to another pair.
func (f *Frequency) entry(s FrequencySlot) (*frequencyShard, *frequencyEntry) {
	shard := &f.shards[uint8(s>>24)]
	at := int(s>>32) - 1
	shard.mu.Lock()
	if at >= 0 && at < len(shard.entries) {
		if e := &shard.entries[at]; e.taken && e.generation == uint16(s>>8) && e.open > 0 {
			return shard, e
		}
	}
	f.stats.Stale.Add(1)
	return shard, nil
}

// Commit makes a reserved impression final. Zero is ignored.
func (f *Frequency) Commit(s FrequencySlot) {
	if s == 0 {
		return
	}
	shard, e := f.entry(s)
	defer shard.mu.Unlock()
	if e != nil {
		e.open--
		f.stats.Committed.Add(1)
	}
}

// Release takes a reserved impression back. Zero is ignored.
func (f *Frequency) Release(s FrequencySlot) {
	if s == 0 {
		return
	}
	shard, e := f.entry(s)
	defer shard.mu.Unlock()
	if e == nil {
		return
	}
	e.open--
	f.stats.Released.Add(1)
	// Days differ by less than 256, so the low eight bits tell how many.
	if back := uint8(e.day) - uint8(s); back < MaxCapDays && e.counts[back] > 0 {
		e.counts[back]--
	}
}
