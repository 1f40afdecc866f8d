package serving

import (
	"sync"
	"sync/atomic"
	"time"
)

// steadyClock counts time that passes, from readings of a wall clock that may
// jump: a step back counts as nothing and a leap as a second. It is a little
// slow, hardly ever fast, so what it measures lasts long enough.
type steadyClock struct {
	passed atomic.Int64 // ns

	mu   sync.Mutex
	last time.Time // guarded by mu
}

// Readings come several times a second. A step of more than maxStep is a clock
// that was set, or a machine that slept; it counts as leap.
const (
	maxStep = time.Minute
	leap    = time.Second
)

// advance reads the wall clock and returns the steady time in milliseconds.
func (c *steadyClock) advance(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := now.Sub(c.last); !c.last.IsZero() && d > 0 {
		if d > maxStep {
			d = leap
		}
		c.passed.Add(int64(d))
	}
	c.last = now
	return c.ms()
}

// ms is the steady time at the last reading.
func (c *steadyClock) ms() int64 { return c.passed.Load() / int64(time.Millisecond) }
