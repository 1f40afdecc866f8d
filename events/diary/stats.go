package diary

import (
	"errors"
	"sync/atomic"
)

// alarmShare is the share of the disk budget that raises the alarm, in percent.
const alarmShare = 80

func alarming(used, budget int64) bool { return used*100 >= budget*alarmShare }

// counters are written by everybody.
type counters struct {
	accepted, acknowledged, lost, invalid   atomic.Uint64
	overloaded, full, unavailable, timeouts atomic.Uint64
	batches, batchBytes                     atomic.Uint64
	failures, recoveries, restarts, fulls   atomic.Uint64
	reconnects                              atomic.Uint64
	lastSeq                                 atomic.Uint64
	moneyBytes                              atomic.Int64
}

func (c *counters) refused(err error, n int) {
	switch {
	case errors.Is(err, ErrOverloaded):
		c.overloaded.Add(uint64(n))
	case errors.Is(err, ErrFull):
		c.full.Add(uint64(n))
	default:
		c.unavailable.Add(uint64(n))
	}
}

// Stats is a reading of the diary's counters; all count records unless they say
// otherwise.
type Stats struct {
	Accepted, Acknowledged uint64
	Lost                   uint64 // accepted, certainly not on disk, given to OnLost
	Invalid                uint64 // refused: a field passes its limit
	Overloaded             uint64 // refused: queue full
	Full                   uint64 // refused: disk budget used up
	Unavailable            uint64 // refused: no writing possible, or closed
	Timeouts               uint64 // waits that ended before the disk answered

	Batches, BatchBytes uint64 // sent, with repetitions
	Failures            uint64 // times that writing stopped
	Recoveries          uint64 // times that it went on
	Restarts            uint64 // of the embedded server
	Fulls               uint64 // times that the disk budget was used up

	QueueRecords, QueueBytes int // accepted and not yet on disk

	Offered          uint64 // decisions accepted
	Decisions        uint64 // decisions taken by the server
	DecisionsDropped uint64 // no room in the ring
	DecisionsLost    uint64 // the server did not take them
	Replays          uint64 // replays taken by the server
	ReplaysDropped   uint64 // no room in their ring
	ReplaysLost      uint64 // the server did not take them

	ConsumerReconnects uint64
	LastSeq            uint64 // last acknowledged batch of the money stream
	MoneyBytes         int64  // disk used by the money stream
	MoneyBudget        int64
	Alarm              bool  // MoneyBytes passed 80 % of the budget
	Stopped            error // why nothing is accepted now; nil when all is well
}

// Stats reads the counters.
func (d *Diary) Stats() Stats {
	c, dec, rep := &d.stats, &d.decisions.stats, &d.replays.stats
	records, bytes := d.queue.load()
	used := c.moneyBytes.Load()
	return Stats{
		Accepted: c.accepted.Load(), Acknowledged: c.acknowledged.Load(), Lost: c.lost.Load(), Invalid: c.invalid.Load(),
		Overloaded: c.overloaded.Load(), Full: c.full.Load(), Unavailable: c.unavailable.Load(), Timeouts: c.timeouts.Load(),
		Batches: c.batches.Load(), BatchBytes: c.batchBytes.Load(), Failures: c.failures.Load(), Recoveries: c.recoveries.Load(),
		Restarts: c.restarts.Load(), Fulls: c.fulls.Load(), QueueRecords: records, QueueBytes: bytes,
		Offered: dec.offered.Load(), Decisions: dec.taken.Load(), DecisionsDropped: dec.dropped.Load(), DecisionsLost: dec.lost.Load(),
		Replays: rep.taken.Load(), ReplaysDropped: rep.dropped.Load(), ReplaysLost: rep.lost.Load(),
		ConsumerReconnects: c.reconnects.Load(), LastSeq: c.lastSeq.Load(),
		MoneyBytes: used, MoneyBudget: d.cfg.MoneyBytes, Alarm: alarming(used, d.cfg.MoneyBytes),
		Stopped: d.queue.stopped(),
	}
}
