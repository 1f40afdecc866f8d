package serving

import (
	"sync/atomic"

	"mazad/events"
)

// Stats counts what the engine did since it was made. All fields are atomic and
// may be read at any time.
type Stats struct {
	Requests   [2]atomic.Uint64 // by Door
	Universes  [2]atomic.Uint64 // by audience.Universe
	Ads        atomic.Uint64    // placed
	Candidates atomic.Uint64
	Matched    atomic.Uint64              // ad groups that a request met; the search may stop before it has met all that match
	Searched   atomic.Uint64              // tiers
	Empty      [ReasonCount]atomic.Uint64 // requests without an ad, by reason
	Lost       [ReasonCount]atomic.Uint64 // candidates that lost, by reason
	NotLogged  atomic.Uint64              // decisions that the log dropped
	Kept       atomic.Uint64              // recordings made for a replay
	NotKept    atomic.Uint64              // of them, those that the log dropped
}

func (s *Stats) decided(w *worker) {
	s.Requests[w.req.Door&1].Add(1)
	s.Universes[w.universe&1].Add(1)
	s.Ads.Add(uint64(len(w.resp.Ads)))
	s.Searched.Add(uint64(w.next))
	s.Matched.Add(uint64(len(w.matched)))
	if len(w.resp.Ads) == 0 {
		s.Empty[w.resp.Reason].Add(1)
	}
	for r := range w.lost {
		if n := w.lost[r]; n > 0 {
			s.Lost[r].Add(uint64(n))
		}
	}
}

// TrackerStats counts beacons. All fields are atomic.
type TrackerStats struct {
	Beacons  [SignalCount][StatusCount]atomic.Uint64
	Tokens   [events.StateCount]atomic.Uint64 // outcome of opening a token
	Verdicts [SignalCount][events.VerdictCount][events.ReasonCount]atomic.Uint64
	BadPrice atomic.Uint64 // burl whose price macro was not usable
	Undone   atomic.Uint64 // verdicts taken back because the diary refused the record
	Converts [StatusCount]atomic.Uint64

	RefusedUnwritten atomic.Uint64 // refusals that were counted but not written
	InFlight         atomic.Int64  // first uses not known to be on disk, at the last sweep
	Relayed          atomic.Uint64 // judged by another node, their home
	Unreached        atomic.Uint64 // whose home did not answer
	NotHome          atomic.Uint64 // sent here by another node, and this is not their home
	NotKept          atomic.Uint64 // clicks that neither their home nor this node could take
	Delivered        atomic.Uint64 // clicks that reached their home later
	Waiting          atomic.Int64  // clicks that wait for their home
}
