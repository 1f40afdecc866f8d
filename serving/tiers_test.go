package serving

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mazad/auction"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/internal/money"
	"mazad/prediction"
)

// twins are two corridors over the same world that differ only in how the
// snapshot is divided: in many small tiers, and in one, where every matched ad
// group is looked at.
func twins(t *testing.T, o campaigntest.Options, funded money.Micros, change func(*campaign.Tree)) (tiered, whole *stage) {
	t.Helper()
	tiered, whole = newStage(t, o, funded), newStage(t, o, funded)
	for i, s := range []*stage{tiered, whole} {
		s.market.Rule = auction.Rule(o.Seed % 3)
		s.market.MaxPerAdvertiser = int(o.Seed / 3 % 3)
		s.engine.cfg.Market = s.market
		change(&s.tree)
		s.publishInTiers(t, []int{4, 1 << 30}[i])
	}
	return tiered, whole
}

// hardship makes worlds that are hard for bounds: equal bids, tiny budgets whose
// holds are refused, a few advertisers with all the ads.
func hardship(r *rand.Rand) func(*campaign.Tree) {
	equal, poor, few := r.IntN(3) == 0, r.IntN(2) == 0, r.IntN(3) == 0
	seed := r.Uint64()
	return func(tree *campaign.Tree) {
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range tree.AdGroups {
			g := &tree.AdGroups[i]
			if r.IntN(2) == 0 {
				*g = blank(*g) // matches everybody
			}
			if equal {
				g.BidPrice = 3_000_000
			}
			if poor && r.IntN(3) == 0 {
				g.Budget = money.Micros(1 + r.IntN(4000)) // some impressions
			}
		}
		if few {
			for i := range tree.Ads {
				tree.Ads[i].OperationStatus = []campaign.OperationStatus{campaign.Enable, campaign.Disable}[r.IntN(2)]
			}
		}
	}
}

// TestI3TiersChangeNothing: a search that stops early places the ads, prices and
// tokens of one that looks at every matched ad group.
func TestI3TiersChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	worlds, early := 60, uint64(0)
	if testing.Short() {
		worlds = 12
	}
	var req Request
	var a, b Response
	for n := range worlds {
		o := campaigntest.Options{AdGroups: 20 + r.IntN(200), Seed: uint64(n + 1), CPMOnly: n%4 == 0}
		tiered, whole := twins(t, o, money.Micros(1_000_000+r.Int64N(1_000_000_000)), hardship(r))
		for i := range 60 {
			if i%20 == 10 {
				shake(t, r, tiered, whole)
			}
			tiered.request(i, 1+i%4, &req)
			if i%3 == 0 {
				req.Door = DoorOpenRTB
			}
			for k := range req.Slots {
				req.Slots[k].Floor = money.Nanos(r.Int64N(4) * 900_000)
			}
			tiered.engine.Decide(&req, &a)
			whole.engine.Decide(&req, &b)
			if got, want := placed(&a), placed(&b); !slices.Equal(got, want) {
				t.Fatalf("world %d request %d: in tiers %v, whole %v", n, i, got, want)
			}
		}
		early += whole.engine.Stats().Matched.Load() - tiered.engine.Stats().Matched.Load()
	}
	if early < uint64(worlds)*60 {
		t.Errorf("the tiers spared %d ad groups in all: the test proves little", early)
	}
}

// shake gives both corridors the same new rates and multipliers, above One too.
func shake(t *testing.T, r *rand.Rand, stages ...*stage) {
	t.Helper()
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	for _, ad := range stages[0].tree.Ads {
		key := prediction.Key{Ad: ad.ID, AdGroup: ad.AdGroup, Campaign: ad.Campaign}
		for range r.IntN(40) {
			learner.Observe(&key, prediction.SawImpression)
			if r.IntN(4) == 0 {
				learner.Observe(&key, prediction.SawClick)
			}
		}
	}
	model, seed := learner.Publish(2), r.Uint64()
	for _, s := range stages {
		snap := s.engine.Snapshot().withModel(model)
		for _, state := range snap.states {
			r := rand.New(rand.NewPCG(seed, uint64(state.id)))
			state.pace.Store([]uint64{0, 1, uint64(money.One) / 3, uint64(money.One), 2 * uint64(money.One)}[r.IntN(5)])
		}
		s.engine.Publish(snap)
	}
}

func placed(r *Response) (out []string) {
	for i := range r.Ads {
		out = append(out, string(r.Ads[i].Token))
	}
	return out
}

// TestTierBoundsHold: whatever a request pays for an ad group, its tier's bound
// is at least its score, with another model and any pacing too; and the tiers
// are searched in descending order.
func TestTierBoundsHold(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 800, Seed: 9}, 1_000_000_000)
	for _, ad := range s.tree.Ads { // a second ad in every group
		ad.ID += 1 << 20
		s.tree.Ads = append(s.tree.Ads, ad)
	}
	s.publishInTiers(t, 8)
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	for i := range 400 {
		ad := &s.tree.Ads[800+i]
		key := prediction.Key{Ad: ad.ID, AdGroup: ad.AdGroup, Campaign: ad.Campaign}
		for range 50 {
			learner.Observe(&key, prediction.SawImpression)
			if i%3 == 0 {
				learner.Observe(&key, prediction.SawClick)
			}
		}
	}
	for _, snap := range []*Snapshot{s.engine.Snapshot(), s.engine.Snapshot().withModel(learner.Publish(2))} {
		if len(snap.tiers) < 4 {
			t.Fatalf("%d tiers", len(snap.tiers))
		}
		seen := 0
		for i := range snap.tiers {
			tier := &snap.tiers[i]
			if i > 0 && tier.bound > snap.tiers[i-1].bound {
				t.Errorf("tier %d has the bound %d after %d", i, tier.bound, snap.tiers[i-1].bound)
			}
			for k := range tier.Index.Len() {
				g := &snap.groups[int(tier.From)+k]
				for a := g.adFrom; a < g.adTo; a++ {
					for _, pace := range []money.PPB{money.One, money.One / 3} {
						c := auction.Candidate{Bid: g.bid, Rate: snap.fits[a].rate, Pacing: pace}
						if auction.Score(&c) > tier.bound {
							t.Fatalf("tier %d: a score of %d above the bound %d", i, auction.Score(&c), tier.bound)
						}
					}
				}
				seen++
			}
		}
		if seen != snap.AdGroups() {
			t.Errorf("%d ad groups in tiers, want %d", seen, snap.AdGroups())
		}
	}
}

// TestI9ReasonsHardlyDependOnHowFarWasLooked: an answer is empty for the reason that
// a search of everything names, but for a few where what was left out would have been
// refused for another reason before the floor.
func TestI9ReasonsHardlyDependOnHowFarWasLooked(t *testing.T) {
	r := rand.New(rand.NewPCG(77, 1))
	var req Request
	var a, b Response
	empty, differ := 0, 0
	for n := range 30 {
		o := campaigntest.Options{AdGroups: 20 + r.IntN(200), Seed: uint64(n + 1), CPMOnly: n%4 == 0}
		tiered, whole := twins(t, o, money.Micros(1_000_000+r.Int64N(1_000_000_000)), hardship(r))
		for i := range 60 {
			tiered.request(i, 1+i%4, &req)
			if i%3 == 0 {
				req.Door = DoorOpenRTB
			}
			for k := range req.Slots {
				req.Slots[k].Floor = money.Nanos(r.Int64N(6) * 1_900_000)
			}
			tiered.engine.Decide(&req, &a)
			whole.engine.Decide(&req, &b)
			if len(a.Ads) == 0 {
				empty++
				if a.Reason != b.Reason {
					differ++
				}
			}
		}
	}
	t.Logf("%d of %d empty answers", differ, empty)
	if empty < 200 || differ > empty/10 {
		t.Errorf("%d of %d empty answers name another reason than a search of everything", differ, empty)
	}
}
