package ads

import (
	"sync/atomic"
	"time"
)

// pressure says how long an ad request may have waited before it is read, and
// refuses those that waited longer: an ad that comes after the user has scrolled on is
// worth nothing, and the work for it would make the next one late, too.
//
// It is the idea of controlled delay: a queue that empties now and then is doing
// its work and is given patience; one that has not emptied for an interval only adds
// delay, and then no request may have waited longer than target. The queue is
// judged by how many requests waited longer than target: no empty queue is seen
// from here, and with several processors a lucky request finds one that is idle.
// It begins when three of four waited and ends when one of four did; in between it stays, so
// that a load just above what can be carried does not make it swing.
//
// It is pure: times are passed in. It costs one atomic addition a request, two
// loads, and an exchange once an interval.
type pressure struct {
	target, patience, interval int64 // ns; immutable

	end  atomic.Int64  // of the interval, ns
	seen atomic.Uint64 // requests of the interval << 32 | those of them that waited longer than target
	high atomic.Bool
}

const (
	// leastSeen is how many requests an interval must have before it says anything
	// of the queue: one that a pause of the machine held up is no overload.
	leastSeen = 8
	// highShare of 16 late requests begins overload, lowShare or fewer end it.
	highShare = 12
	lowShare  = 4
)

func (p *pressure) init(l *Limits) {
	p.target, p.patience, p.interval = int64(l.QueueTarget), int64(max(l.QueuePatience, l.QueueTarget)), int64(l.QueueInterval)
}

// admit judges a request that is read at now, in nanoseconds, and had waited.
func (p *pressure) admit(now int64, wait time.Duration) bool {
	if end := p.end.Load(); now >= end && p.end.CompareAndSwap(end, now+p.interval) {
		p.judge(p.seen.Swap(0), now-end)
	}
	one := uint64(1) << 32
	if int64(wait) > p.target {
		one++
	}
	p.seen.Add(one)
	if p.high.Load() {
		return int64(wait) <= p.target
	}
	return int64(wait) <= p.patience
}

// judge closes an interval; since is how long ago it should have ended.
func (p *pressure) judge(counts uint64, since int64) {
	seen, late := counts>>32, counts&(1<<32-1)
	switch {
	case since > p.interval || 16*late <= lowShare*seen: // nobody came for a while, or few waited
		p.high.Store(false)
	case seen >= leastSeen && 16*late >= highShare*seen:
		p.high.Store(true)
	}
}
