package serving

import (
	"cmp"
	"slices"

	"mazad/auction"
	"mazad/internal/money"
	"mazad/targeting"
)

// tier is a run of ad groups of similar worth with an index of its own. A request
// meets the tiers in descending order of their bounds and stops when none of those
// left can change the outcome, so that its cost follows the few ad groups that can
// win and not their number; and the index of the first tiers stays in the caches.
type tier struct {
	index *targeting.Index
	from  targeting.Ord // its ad groups are groups[from : from+index.Len()]
	bound money.Nanos   // no ad group in it is worth more per impression, however it is paced
}

// The first tier has so many ad groups, every other so many times more than the
// one before it. See docs/decisions/0021 for the measurement.
const (
	firstTier  = 512
	tierGrowth = 4
)

// worth is the most an impression of an ad group may be worth: the score of its
// best ad without pacing, which only ever lowers a bid.
func worth(g *adGroup, fits []adFit) (best money.Nanos) {
	for i := g.adFrom; i < g.adTo; i++ {
		c := auction.Candidate{Bid: g.bid, Rate: fits[i].rate, Pacing: money.One}
		best = max(best, auction.Value(&c), auction.Score(&c))
	}
	return best
}

// tierEnds divides n ranks into tiers. What would be left over for a tier smaller
// than its predecessor joins that one.
func tierEnds(n, first int) (ends []int) {
	for at, size := 0, first; at < n; size *= tierGrowth {
		if at += size; at > n || n-at < size {
			at = n
		}
		ends = append(ends, at)
	}
	return ends
}

// bounded returns the tiers with bounds for the rates in fits, highest first.
func (s *Snapshot) bounded(tiers []tier, fits []adFit) []tier {
	out := slices.Clone(tiers)
	for i := range out {
		t := &out[i]
		t.bound = 0
		for g := range t.index.Len() {
			t.bound = max(t.bound, worth(&s.groups[int(t.from)+g], fits))
		}
	}
	slices.SortStableFunc(out, func(a, b tier) int { return cmp.Compare(b.bound, a.bound) })
	return out
}
