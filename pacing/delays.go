package pacing

import (
	"math/bits"
	"sync/atomic"

	"mazad/internal/money"
)

// The histogram has four buckets per doubling, so a quantile is at most 25 %
// too long, up to 37 hours: click tokens live for 24.
const (
	maxDelayMS   = 1<<27 - 1
	delayBuckets = 104
)

// Delays measures how long after its impression a click or view comes, to say
// how long the expected cost of an ad charged later should stay held. The zero
// value is empty. Every method may be called from any goroutine.
type Delays struct {
	counts [delayBuckets]atomic.Uint64
}

// Observe counts one delay. Negative ones count as 0.
func (d *Delays) Observe(delayMS int64) {
	d.counts[delayBucket(min(max(delayMS, 0), maxDelayMS))].Add(1)
}

func delayBucket(ms int64) int {
	shift := max(bits.Len64(uint64(ms))-3, 0)
	return shift*4 + int(ms>>shift)
}

// bucketEnd is the longest delay in a bucket.
func bucketEnd(i int) int64 {
	if i < 8 {
		return int64(i)
	}
	return int64(i%4+5)<<(i/4-1) - 1
}

// Quantile is a delay, in milliseconds, that the given share of the observed
// ones did not exceed; false without observations.
func (d *Delays) Quantile(share money.PPB) (ms int64, ok bool) {
	var counts [delayBuckets]uint64
	var total uint64
	for i := range counts {
		counts[i] = d.counts[i].Load()
		total += counts[i]
	}
	if total == 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(total, uint64(min(share, money.One)))
	want, rest := bits.Div64(hi, lo, uint64(money.One))
	if rest > 0 {
		want++
	}
	var seen uint64
	for i, n := range counts {
		if seen += n; seen >= want && seen > 0 {
			return bucketEnd(i), true
		}
	}
	return maxDelayMS, true
}

// Count is the number of delays remembered.
func (d *Delays) Count() (total uint64) {
	for i := range d.counts {
		total += d.counts[i].Load()
	}
	return total
}

// Halve forgets half of what was observed, so that calls at a steady pace make
// the histogram follow the present.
func (d *Delays) Halve() {
	for i := range d.counts {
		n := d.counts[i].Load()
		d.counts[i].Add(-(n - n/2)) // what comes meanwhile is kept
	}
}
