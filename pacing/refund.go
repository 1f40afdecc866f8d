package pacing

import "mazad/internal/money"

// Refund undoes a Commit whose event certainly did not happen (its record was
// refused by the disk): what was billed is free to hold again. Call it once per
// such commit, with the chain, the day and the amount that Commit returned.
func (b *Book) Refund(c *Chain, day int32, billed money.Nanos) {
	if billed <= 0 {
		return
	}
	p := placeOf(day)
	for _, id := range c {
		if id == 0 {
			continue
		}
		if cl := b.find(id, &p); cl != nil {
			cl.billed.Add(-int64(billed))
			cl.avail.Add(int64(billed))
		} else {
			b.stats.misused.Add(1)
		}
	}
}
