package events

import (
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Used remembers which tokens were used, once per use. It is a set of roaring
// bitmaps, one per partition, generation, use and hour of the auction; an hour is
// dropped when its last token has expired, and from then on answers "used", so
// that a clock that jumps back cannot bill a token twice.
//
// Memory: serials are dense, so an hour costs at most one bit per token served
// (8 KiB per 65,536) and at most two bytes per token used: 10 million served
// tokens with 30 % used take 1.2 MB, with 1 % clicks 0.2 MB.
//
// It is safe for concurrent use: serials are dealt round robin over usedShards
// locks, so neighbours never wait for each other.
type Used struct {
	shards [usedShards]usedShard
	floor  [UseCount]atomic.Int64 // hours below it are gone; only grows

	marked, repeated, late, unmarked atomic.Uint64
}

const (
	usedShards    = 64
	usedShardBits = 6
	hourMS        = 3600 * 1000
)

type usedShard struct {
	mu   sync.Mutex
	sets map[usedKey]*roaring.Bitmap // serial>>usedShardBits, low 32 bits
	last usedKey                     // set of the previous call, and its key: most tokens are of this hour
	set  *roaring.Bitmap
	_    [64]byte // keep neighbours off one cache line
}

type usedKey struct {
	hour       int64
	generation uint32
	partition  uint16
	high       uint16 // serial bits that a 32-bit bitmap cannot hold
	use        Use
}

// UsedStats are the counters of a Used.
type UsedStats struct {
	Marked   uint64 // first uses
	Repeated uint64 // refused: already used
	Late     uint64 // refused: their hour is gone
	Unmarked uint64
	Sets     int
	Bytes    uint64
}

// NewUsed returns an empty set.
func NewUsed() *Used {
	u := &Used{}
	for i := range u.shards {
		u.shards[i].sets = map[usedKey]*roaring.Bitmap{}
	}
	return u
}

// Mark is the answer of Used.Mark.
type Mark uint8

// The marks.
const (
	MarkFirst Mark = iota // nobody used the token for this before
	MarkAgain             // it was used before
	MarkLate              // its hour is gone: nobody remembers
)

// MarkOnce is Mark that tells the first use from all others.
func (u *Used) MarkOnce(t TokenID, use Use, auctionMS int64) bool {
	return u.Mark(t, use, auctionMS) == MarkFirst
}

// Mark marks the token of an auction at auctionMS as used for use. It returns
// MarkFirst to exactly one caller.
func (u *Used) Mark(t TokenID, use Use, auctionMS int64) Mark {
	key, value, shard := usedPlace(t, use, auctionMS)
	s := &u.shards[shard]
	s.mu.Lock()
	if key.hour < u.floor[use].Load() {
		s.mu.Unlock()
		u.late.Add(1)
		return MarkLate
	}
	if s.set == nil || s.last != key {
		set := s.sets[key]
		if set == nil {
			set = roaring.New()
			s.sets[key] = set
		}
		s.last, s.set = key, set
	}
	first := s.set.CheckedAdd(value)
	s.mu.Unlock()
	if first {
		u.marked.Add(1)
		return MarkFirst
	}
	u.repeated.Add(1)
	return MarkAgain
}

// Unmark takes a mark back, when the record of the use could not be written.
func (u *Used) Unmark(t TokenID, use Use, auctionMS int64) {
	key, value, shard := usedPlace(t, use, auctionMS)
	s := &u.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.sets[key]; set != nil && set.CheckedRemove(value) {
		u.unmarked.Add(1)
	}
}

// IsUsed reports whether the token was used, or is too old to say.
func (u *Used) IsUsed(t TokenID, use Use, auctionMS int64) bool {
	key, value, shard := usedPlace(t, use, auctionMS)
	s := &u.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if key.hour < u.floor[use].Load() {
		return true
	}
	set := s.sets[key]
	return set != nil && set.Contains(value)
}

// Apply marks what a record of the stream used and reports whether it was the
// first to use it; records that use nothing are always first. A Used that is fed
// only by Apply, in stream order, is exactly the fold of a prefix: that one is
// what to checkpoint, because the serving one also holds marks still in flight.
func (u *Used) Apply(r *Record) (first bool) {
	use, ok := r.TokenUse()
	return !ok || u.MarkOnce(r.Token, use, r.AuctionMS)
}

// Expire drops the hours whose last token has expired at nowMS.
func (u *Used) Expire(nowMS int64) {
	for use := range UseCount {
		floor := (nowMS - Lifetime(use).Milliseconds()) / hourMS
		if floor > u.floor[use].Load() {
			u.floor[use].Store(floor)
		}
	}
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		for key := range s.sets {
			if key.hour < u.floor[key.use].Load() {
				delete(s.sets, key)
			}
		}
		s.last, s.set = usedKey{}, nil
		s.mu.Unlock()
	}
}

// Stats counts; Sets and Bytes walk all bitmaps.
func (u *Used) Stats() UsedStats {
	st := UsedStats{Marked: u.marked.Load(), Repeated: u.repeated.Load(), Late: u.late.Load(), Unmarked: u.unmarked.Load()}
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		st.Sets += len(s.sets)
		for _, set := range s.sets {
			st.Bytes += set.GetSizeInBytes()
		}
		s.mu.Unlock()
	}
	return st
}

func usedPlace(t TokenID, use Use, auctionMS int64) (key usedKey, value uint32, shard int) {
	local := t.Serial >> usedShardBits
	return usedKey{
		hour: auctionMS / hourMS, generation: t.Generation, partition: t.Partition,
		high: uint16(local >> 32), use: use,
	}, uint32(local), int(t.Serial % usedShards)
}
