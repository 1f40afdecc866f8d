package pacing

import "sync/atomic"

type bookStats struct {
	refused    [ChainLen]atomic.Uint64
	rolledBack atomic.Uint64
	free       atomic.Uint64
	misused    atomic.Uint64
	limits     atomic.Int64
}

// BookStats counts what happened in a Book since it was made.
type BookStats struct {
	Refused    [ChainLen]uint64 // holds refused, by place of the refusing limit
	RolledBack uint64           // holds refused after they had taken something: lost races
	Free       uint64           // commits that were delivered free
	Misused    uint64           // calls on limits that were not open: a mistake of the caller
	Limits     int64            // limits in the Book
}

// Stats may be called from any goroutine.
func (b *Book) Stats() BookStats {
	s := BookStats{
		RolledBack: b.stats.rolledBack.Load(), Free: b.stats.free.Load(),
		Misused: b.stats.misused.Load(), Limits: b.stats.limits.Load(),
	}
	for i := range s.Refused {
		s.Refused[i] = b.stats.refused[i].Load()
	}
	return s
}
