package diary

import (
	"sync/atomic"

	"mazad/events"
)

// ring is a bounded queue of encoded decisions, many producers and one consumer,
// without locks. Each slot carries a turn number: a producer may fill slot i of
// lap n when its turn is n*slots+i, the consumer may empty it one later. The
// bytes of a slot are reused, so after a lap nothing is allocated.
//
// Source: Dmitry Vyukov's bounded queue (1024cores, 2010), with one consumer.
type ring struct {
	slots  []slot
	mask   uint64
	tail   atomic.Uint64 // next to fill
	_      [56]byte      // producers and the consumer on cache lines of their own
	head   uint64        // next to empty; the consumer's
	bytes  atomic.Int64
	limit  int64
	asleep atomic.Bool // the consumer waits for wake
	closed atomic.Bool
	wake   chan struct{}
}

type slot struct {
	turn atomic.Uint64
	data []byte
}

// offer is the outcome of ring.offer.
type offer uint8

const (
	offerTaken offer = iota
	offerNoRoom
	offerInvalid
)

func newRing(slots int, limit int64) *ring {
	r := &ring{slots: make([]slot, slots), mask: uint64(slots - 1), limit: limit, wake: make(chan struct{}, 1)}
	for i := range r.slots {
		r.slots[i].turn.Store(uint64(i))
	}
	return r
}

// offer encodes rec into a slot, or drops it.
func (r *ring) offer(rec *events.Record, enc *events.Encoder) offer {
	if r.closed.Load() || r.bytes.Load() >= r.limit {
		return offerNoRoom
	}
	for {
		at := r.tail.Load()
		s := &r.slots[at&r.mask]
		turn := s.turn.Load()
		if turn != at {
			if turn < at { // a lap behind: full
				return offerNoRoom
			}
			continue // another producer was faster
		}
		if !r.tail.CompareAndSwap(at, at+1) {
			continue
		}
		var err error
		out := offerTaken
		if s.data, err = enc.AppendClear(s.data[:0], rec); err != nil {
			s.data, out = s.data[:0], offerInvalid
		}
		r.bytes.Add(int64(len(s.data)))
		s.turn.Store(at + 1)
		if r.asleep.Load() && r.asleep.CompareAndSwap(true, false) {
			r.signal()
		}
		return out
	}
}

func (r *ring) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// poll calls fn with the oldest decision; false means there is none. Only the
// consumer calls it.
func (r *ring) poll(fn func([]byte)) bool {
	s := &r.slots[r.head&r.mask]
	if s.turn.Load() != r.head+1 {
		return false
	}
	if len(s.data) > 0 {
		fn(s.data)
		r.bytes.Add(-int64(len(s.data)))
	}
	s.turn.Store(r.head + uint64(len(r.slots)))
	r.head++
	return true
}

// close refuses further offers and wakes the consumer.
func (r *ring) close() {
	r.closed.Store(true)
	r.signal()
}

// sleep announces that the consumer will wait; false means there is something.
func (r *ring) sleep() bool {
	r.asleep.Store(true)
	if r.slots[r.head&r.mask].turn.Load() == r.head+1 {
		r.asleep.Store(false)
		return false
	}
	return true
}
