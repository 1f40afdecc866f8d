package pacing

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"mazad/internal/money"
)

// Class says when a hold ends by itself.
type Class uint8

// The classes.
const (
	PerImpression Class = iota // CPM, oCPM: with the impression token
	PerEvent                   // CPC, CPV: when most clicks have come, see Delays
	Classes
)

// Limits of Holds.
const (
	DefaultHolds = 1 << 20
	maxHolds     = 1 << 30
	// putTries bounds how many occupied slots one Put steps over. Only holds
	// that outlive a whole turn of the ring stand in the way, so a run of this
	// many means the ring is too small.
	putTries = 64
)

// Entry is one outstanding hold.
type Entry struct {
	Chain     Chain
	Amount    money.Nanos
	AdGroup   uint64 // the caller's name for what was served, opaque here
	Frequency uint64 // the caller's frequency reservation, 0 for none
	Day       int32  // local date of the auction
	Class     Class
}

// The state of a holding is one word: the serial, whether its frequency
// reservation was taken, and a phase.
const (
	phaseFree    = iota // the serial is the last one that was here
	phaseWriting        // owned by Put
	phaseHeld
	phaseTaking // owned by Take or Expire
	phaseMask   = 3
	shownBit    = 4
	serialShift = 3
)

// holding is a slot of the ring.
type holding struct {
	word      atomic.Uint64
	skipped   atomic.Uint64 // last serial whose Put found the slot occupied
	expiry    atomic.Int64  // ms<<1 | class; valid while held
	frequency atomic.Uint64
	entry     Entry // owned by whoever set phaseWriting or phaseTaking
}

// HoldsConfig sizes Holds.
type HoldsConfig struct {
	Capacity int // rounded up to a power of two; 0: DefaultHolds. 96 bytes each
}

// Holds remembers outstanding holds by serial. Serials are dense: 1, 2, 3 ...
// with a gap only where the ring's slot was still occupied.
type Holds struct {
	slots []holding
	mask  uint64
	next  atomic.Uint64 // last serial given out
	held  atomic.Int64

	full, taken, gone, expired, gaps atomic.Uint64

	expiring sync.Mutex // held by the one goroutine in Expire; guards the rest
	cursor   [Classes]uint64
	leaving  Entry
}

// NewHolds returns an empty ring.
func NewHolds(cfg HoldsConfig) (*Holds, error) {
	if cfg.Capacity == 0 {
		cfg.Capacity = DefaultHolds
	}
	if cfg.Capacity < 0 || cfg.Capacity > maxHolds {
		return nil, fmt.Errorf("pacing holds capacity is %d, want 1 to %d", cfg.Capacity, maxHolds)
	}
	n := uint64(1) << bits.Len64(uint64(cfg.Capacity-1))
	h := &Holds{slots: make([]holding, n), mask: n - 1}
	for i := range h.cursor {
		h.cursor[i] = 1
	}
	return h, nil
}

// Put remembers a hold until expiryMS and returns its serial; false when the
// ring is full, and then the caller must release the hold. Expiries should not
// decrease within a class: an entry expires no sooner than those of its class
// put before it. e is not retained.
func (h *Holds) Put(e *Entry, expiryMS int64) (serial uint64, ok bool) {
	for range putTries {
		if h.held.Load() >= int64(len(h.slots)) {
			break // do not burn serials
		}
		serial = h.next.Add(1)
		s := &h.slots[serial&h.mask]
		word := s.word.Load()
		// The order matters: had a later turn's Put stepped over this slot while
		// we stood still, Expire would have passed our serial already.
		if word&phaseMask != phaseFree || s.skipped.Load() >= serial ||
			!s.word.CompareAndSwap(word, serial<<serialShift|phaseWriting) {
			s.skip(serial)
			h.gaps.Add(1)
			continue
		}
		s.entry = *e
		s.frequency.Store(e.Frequency)
		s.expiry.Store(expiryMS<<1 | int64(e.Class&1))
		h.held.Add(1)
		s.word.Store(serial<<serialShift | phaseHeld)
		return serial, true
	}
	h.full.Add(1)
	return 0, false
}

// skip tells Expire that serial will never stand here.
func (s *holding) skip(serial uint64) {
	for {
		old := s.skipped.Load()
		if old >= serial || s.skipped.CompareAndSwap(old, serial) {
			return
		}
	}
}

// Take removes the hold of a serial and gives it to the caller, once: false when
// it was taken before, has expired or never was. Entry.Frequency is 0 if
// TakeFrequency was here first.
func (h *Holds) Take(serial uint64) (Entry, bool) {
	s := &h.slots[serial&h.mask]
	for {
		word := s.word.Load()
		if word>>serialShift != serial || word&phaseMask != phaseHeld {
			h.gone.Add(1)
			return Entry{}, false
		}
		if s.word.CompareAndSwap(word, serial<<serialShift|phaseTaking) {
			h.taken.Add(1)
			var e Entry
			h.finish(s, word, &e)
			return e, true
		}
	}
}

// finish empties a slot that the caller has set to phaseTaking; word is what it
// was before.
func (h *Holds) finish(s *holding, word uint64, e *Entry) {
	*e = s.entry
	if word&shownBit != 0 {
		e.Frequency = 0
	}
	h.held.Add(-1)
	s.word.Store(word>>serialShift<<serialShift | phaseFree)
}

// TakeFrequency gives the frequency reservation of a hold to the caller, once,
// and leaves the money held: an impression of an ad that pays per click.
func (h *Holds) TakeFrequency(serial uint64) (reservation uint64, ok bool) {
	s := &h.slots[serial&h.mask]
	word := serial<<serialShift | phaseHeld
	if s.word.Load() != word {
		return 0, false
	}
	reservation = s.frequency.Load() // ours if the word has not changed: serials never come back
	return reservation, s.word.CompareAndSwap(word, word|shownBit)
}

// Expire takes every hold whose time is up, at most limit of them, and calls
// release with each; the entry is valid during the call. It returns how many
// there were: limit means there may be more. One goroutine expires at a time; a
// second one returns 0 at once.
func (h *Holds) Expire(nowMS int64, limit int, release func(e *Entry)) (n int) {
	if !h.expiring.TryLock() {
		return 0
	}
	defer h.expiring.Unlock()
	for class := range h.cursor {
		for n < limit {
			took, more := h.expireNext(&h.cursor[class], Class(class), nowMS)
			if took {
				n++
				h.expired.Add(1)
				release(&h.leaving)
			}
			if !more {
				break
			}
		}
	}
	return n
}

// expireNext looks at the serial under the cursor of a class. more is false
// when the cursor has to wait there.
func (h *Holds) expireNext(cursor *uint64, class Class, nowMS int64) (took, more bool) {
	serial := *cursor
	if serial > h.next.Load() {
		return false, false
	}
	s := &h.slots[serial&h.mask]
	word := s.word.Load()
	switch at := word >> serialShift; {
	case at < serial:
		if s.skipped.Load() < serial {
			return false, false // its Put is under way
		}
	case at > serial || word&phaseMask == phaseFree || word&phaseMask == phaseTaking:
	case word&phaseMask == phaseWriting:
		return false, false
	default:
		expiry := s.expiry.Load()
		if Class(expiry&1) != class {
			break
		}
		if expiry>>1 > nowMS {
			return false, false
		}
		if !s.word.CompareAndSwap(word, serial<<serialShift|phaseTaking) {
			return false, true // look again
		}
		h.finish(s, word, &h.leaving)
		took = true
	}
	*cursor++
	return took, true
}

// HoldsStats counts what happened since the ring was made.
type HoldsStats struct {
	Capacity, Held       int64
	Serial               uint64 // last one given out
	Taken, Gone, Expired uint64 // Gone: Take came too late or twice
	Full, Gaps           uint64 // Full: Put refused; Gaps: serials stepped over
}

// Stats may be called from any goroutine.
func (h *Holds) Stats() HoldsStats {
	return HoldsStats{
		Capacity: int64(len(h.slots)), Held: h.held.Load(), Serial: h.next.Load(),
		Taken: h.taken.Load(), Gone: h.gone.Load(), Expired: h.expired.Load(),
		Full: h.full.Load(), Gaps: h.gaps.Load(),
	}
}
