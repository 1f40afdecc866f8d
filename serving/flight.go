package serving

import (
	"context"
	"encoding/binary"
	"sync"

	"mazad/events"
	"mazad/events/diary"
)

// flights are the first uses that are judged and not known to be on disk. A
// repeat must not be acknowledged before the first is: it waits for the same
// ticket, and takes the first's place when that one was lost (I4).
type flights struct {
	shards [flightShards]flightShard
}

const flightShards = 64

type flightShard struct {
	mu   sync.Mutex // guards open and every flight in it
	open map[flightKey]*flight
	_    [64]byte // keep neighbours off one cache line
}

// flightKey names a token and its use, or a conversion.
type flightKey struct {
	a, b uint64
	use  uint8
}

// conversionUse is no use of a token.
const conversionUse = 0xff

func tokenFlight(t events.TokenID, use events.Use) flightKey {
	return flightKey{uint64(t.Partition)<<32 | uint64(t.Generation), t.Serial, uint8(use)}
}

// conversionFlight is that of a record of a conversion; one without an id of its
// sender's is like no other.
func conversionFlight(r *events.Record) flightKey {
	if len(r.Conversion.EventID) == 0 {
		return flightKey{r.ID.Hi, r.ID.Lo, conversionUse}
	}
	return keyOfConversion(events.ConversionKey(r.Advertiser, r.Conversion.Name, r.Conversion.EventID))
}

func keyOfConversion(k [16]byte) flightKey {
	return flightKey{binary.LittleEndian.Uint64(k[:]), binary.LittleEndian.Uint64(k[8:]), conversionUse}
}

// flight is a first use. Its shard's lock guards it.
type flight struct {
	ticket diary.Ticket
	queued bool          // the ticket is set
	lost   bool          // it certainly is not on disk: whoever waits may take its place
	known  chan struct{} // made by the first who waits for queued or lost
}

func newFlights() *flights {
	f := &flights{}
	for i := range f.shards {
		f.shards[i].open = map[flightKey]*flight{}
	}
	return f
}

func (f *flights) shard(k flightKey) *flightShard {
	return &f.shards[(k.a^k.b)%flightShards]
}

// claim returns the flight of k that is under way, or else, when first says yes,
// a new one that is the caller's to queue or lose.
func (s *flightShard) claim(k flightKey, first func() bool) (fl *flight, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fl = s.open[k]; fl != nil {
		return fl, false
	}
	if !first() {
		return nil, false
	}
	fl = &flight{}
	s.open[k] = fl
	return fl, true
}

// queue sets the ticket.
func (s *flightShard) queue(fl *flight, t diary.Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fl.ticket, fl.queued = t, true
	fl.tell()
}

// land forgets a flight that is on disk.
func (s *flightShard) land(k flightKey, fl *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[k] == fl {
		delete(s.open, k)
	}
}

// lose ends the flight of k, if there is one, after undo took its marks back.
func (s *flightShard) lose(k flightKey, undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	undo()
	if fl := s.open[k]; fl != nil {
		delete(s.open, k)
		fl.lost = true
		fl.tell()
	}
}

func (fl *flight) tell() {
	if fl.known != nil {
		close(fl.known)
		fl.known = nil
	}
}

// landing is what became of a flight that somebody else began.
type landing uint8

const (
	landed   landing = iota // on disk
	landLost                // not on disk: judge again
	landSoon                // not known yet
)

// wait waits for another's flight until ctx ends.
func (s *flightShard) wait(ctx context.Context, k flightKey, fl *flight) landing {
	s.mu.Lock()
	if !fl.queued && !fl.lost {
		if fl.known == nil {
			fl.known = make(chan struct{})
		}
		known := fl.known
		s.mu.Unlock()
		select {
		case <-known:
		case <-ctx.Done():
			return landSoon
		}
		s.mu.Lock()
	}
	ticket, lost := fl.ticket, fl.lost
	s.mu.Unlock()
	if lost {
		return landLost
	}
	if ticket.Wait(ctx) == nil {
		s.land(k, fl)
		return landed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fl.lost {
		return landLost
	}
	return landSoon
}

// sweep forgets the flights that have landed after their sender gave up.
func (f *flights) sweep() (open int) {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for k, fl := range s.open {
			if known, err := fl.ticket.Done(); fl.queued && known && err == nil {
				delete(s.open, k)
			}
		}
		open += len(s.open)
		s.mu.Unlock()
	}
	return open
}

// conversions are those that are not known to be on disk.
func (f *flights) conversions() map[flightKey]bool {
	out := map[flightKey]bool{}
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for k := range s.open {
			if k.use == conversionUse {
				out[k] = true
			}
		}
		s.mu.Unlock()
	}
	return out
}
