package load

import (
	"math/rand/v2"
	"time"
)

// Arrivals yields the times at which requests are due, counted from the start.
// The same Config yields the same times.
type Arrivals struct {
	gap  float64 // mean nanoseconds between requests
	next float64
	rng  *rand.Rand // nil: evenly
}

// NewArrivals returns even arrivals, or a Poisson process of the seed.
func NewArrivals(ratePerSecond float64, poisson bool, seed uint64) *Arrivals {
	a := &Arrivals{gap: 1e9 / ratePerSecond}
	if poisson {
		a.rng = rand.New(rand.NewPCG(seed, 0x6d617a6164))
		a.next = a.gap * a.rng.ExpFloat64()
	}
	return a
}

// Next returns when the next request is due.
func (a *Arrivals) Next() time.Duration {
	due := time.Duration(a.next)
	if a.rng == nil {
		a.next += a.gap
	} else {
		a.next += a.gap * a.rng.ExpFloat64()
	}
	return due
}
