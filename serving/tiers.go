package serving

import (
	"cmp"
	"slices"

	"mazad/auction"
	"mazad/internal/money"
	"mazad/targeting"
)

// tier is a run of ad groups of similar worth. A request meets the tiers in
// descending order of their bounds and stops when none of those left can change
// the outcome: its cost follows the few ad groups that can win, not their number.
type tier struct {
	targeting.Tier             // of groups, by Ord
	bound          money.Nanos // no ad group in it is worth more per impression, however it is paced
}

// worth is the most an impression of an ad group may be worth: the score of its
// best ad without pacing, which only ever lowers a bid.
func worth(g *adGroup, fits []adFit) (best money.Nanos) {
	for i := g.adFrom; i < g.adTo; i++ {
		c := auction.Candidate{Bid: g.bid, Rate: fits[i].rate, Pacing: money.One}
		best = max(best, auction.Value(&c), auction.Score(&c))
	}
	return best
}

// bounded returns the tiers with bounds for the rates in fits, highest first.
func (s *Snapshot) bounded(tiers []tier, fits []adFit) []tier {
	out := slices.Clone(tiers)
	for i := range out {
		t := &out[i]
		t.bound = 0
		for g := range t.Index.Len() {
			t.bound = max(t.bound, worth(&s.groups[int(t.From)+g], fits))
		}
	}
	slices.SortStableFunc(out, func(a, b tier) int { return cmp.Compare(b.bound, a.bound) })
	return out
}
