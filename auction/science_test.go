package auction_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"mazad/auction"
	"mazad/internal/money"
)

// The acceptance tests a to d of SCIENCE.md section 2.

// utility is what a candidate with a true value per billing event gains, in
// nanos weighted by its slot: weight x rate x (value - price).
func utility(cfg *auction.Config, cands []auction.Candidate, who int, value money.Nanos, s *auction.Scratch) float64 {
	for _, w := range auction.Run(cfg, cands, s) {
		if w.Index == who {
			weight := 1.0
			if n := len(cfg.SlotWeights); n > 0 {
				weight = float64(cfg.SlotWeights[min(w.Slot, n-1)]) / 1e9
			}
			return weight * float64(cands[who].Rate) / 1e9 * float64(value-w.Price)
		}
	}
	return 0
}

// deviate returns the most that candidate who gains by bidding something else.
func deviate(r *rand.Rand, cfg *auction.Config, cands []auction.Candidate, who int, s *auction.Scratch) float64 {
	value := cands[who].Bid
	honest, best := utility(cfg, cands, who, value, s), math.Inf(-1)
	for try := range 12 {
		bid := money.Nanos(r.Int64N(int64(value)*2 + 2))
		if try < len(cands) && try != who { // just below and just above the others
			other := auction.Score(&cands[try]) - cands[who].Quality
			bid = max(other, 1).DivPPBUp(cands[who].Rate) + money.Nanos(r.Int64N(3)-1)
		}
		cands[who].Bid = bid
		best = max(best, utility(cfg, cands, who, value, s))
	}
	cands[who].Bid = value
	return best - honest
}

func bidders(r *rand.Rand, n int) []auction.Candidate {
	cands := make([]auction.Candidate, n)
	for i := range cands {
		cands[i] = auction.Candidate{
			Ad: uint64(i), Advertiser: uint64(i), Bid: money.Nanos(1 + r.Int64N(10_000_000_000)), Pacing: money.One,
			Rate: money.PPB(1 + r.Uint64N(uint64(money.One))), Quality: money.Nanos(r.Int64N(400_000_000) - 200_000_000), Floor: money.Nanos(r.Int64N(300_000_000)),
		}
	}
	return cands
}

func descending(r *rand.Rand, slots int) []money.PPB {
	w := []money.PPB{money.One}
	for len(w) < slots {
		w = append(w, 1+money.PPB(r.Uint64N(uint64(w[len(w)-1]))))
	}
	return w
}

func TestScienceANobodyGainsByLying(t *testing.T) {
	const oneMicro = 1000.0
	r := rand.New(rand.NewPCG(2, 1))
	s := new(auction.Scratch)
	gains := map[auction.Rule]float64{}
	for range 12_000 { // x 13 auctions x 3 rules
		cands := bidders(r, 2+r.IntN(7))
		cfg := auction.Config{Slots: 1 + r.IntN(4), Floor: money.Nanos(r.Int64N(200_000_000)), Seed: r.Uint64()}
		cfg.SlotWeights = descending(r, cfg.Slots)
		who := r.IntN(len(cands))
		cfg.Rule = auction.VCG
		gains[auction.VCG] = max(gains[auction.VCG], deviate(r, &cfg, cands, who, s))
		cfg.Rule = auction.FirstPrice
		gains[auction.FirstPrice] = max(gains[auction.FirstPrice], deviate(r, &cfg, cands, who, s))
		cfg.Rule = auction.SecondPrice
		gain := deviate(r, &cfg, cands, who, s)
		gains[auction.SecondPrice] = max(gains[auction.SecondPrice], gain)
		cfg.Slots = 1
		if gain := deviate(r, &cfg, cands, who, s); gain > oneMicro {
			t.Fatalf("one slot, second price: candidate %d gains %.0f nanos in %+v %+v", who, gain, cfg, cands)
		}
	}
	if g := gains[auction.VCG]; g > oneMicro {
		t.Errorf("VCG: somebody gains %.0f nanos by not telling the truth", g)
	}
	for _, rule := range []auction.Rule{auction.SecondPrice, auction.FirstPrice} {
		if g := gains[rule]; g < 1e6 {
			t.Errorf("%v looks truthful: the best deviation found gains %.0f nanos", rule, g)
		}
	}
}

func TestScienceBAndI2PricesAreOrderedAndBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var s, s2 auction.Scratch
	for range 150_000 { // x 2 auctions
		cands := bidders(r, 1+r.IntN(8))
		for i := range cands {
			cands[i].Pacing = money.PPB(r.Uint64N(uint64(money.One) + 1))
		}
		cfg := auction.Config{Rule: auction.SecondPrice, Slots: 1 + r.IntN(4), Floor: money.Nanos(r.Int64N(400_000_000)), MaxPerAdvertiser: r.IntN(2)}
		cfg.SlotWeights = descending(r, cfg.Slots)
		gsp := auction.Run(&cfg, cands, &s)
		cfg.Rule = auction.VCG
		vcg := auction.Run(&cfg, cands, &s2)
		for i, g := range gsp {
			v := vcg[i]
			if v.Index != g.Index || v.Price > g.Price {
				t.Fatalf("slot %d: VCG %+v, GSP %+v", i, v, g)
			}
			if cfg.Slots == 1 && v.Price != g.Price {
				t.Fatalf("one slot: VCG pays %d, GSP %d", v.Price, g.Price)
			}
			c := &cands[g.Index]
			for _, w := range []auction.Winner{g, v} {
				if floor := auction.ClearingFloor(&cfg, c); w.Price > auction.PacedBid(c) || w.Price > c.Bid || w.Price.MulPPB(c.Rate) < floor {
					t.Fatalf("price %d outside [floor %d per impression, bid %d] for %+v", w.Price, floor, auction.PacedBid(c), *c)
				}
			}
		}
	}
}

func TestI2FloorLessPriceLessBid(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	s := new(auction.Scratch)
	for range 100_000 {
		cfg, cands := world(r, r.IntN(12))
		for _, w := range auction.Run(&cfg, cands, s) {
			c := &cands[w.Index]
			if w.Price > c.Bid || w.Price < 0 {
				t.Fatalf("%v: price %d, bid %d", cfg.Rule, w.Price, c.Bid)
			}
			if w.PricePerImpression < max(cfg.Floor, c.Floor) || w.PricePerImpression > auction.Value(c) {
				t.Fatalf("%v: %d per impression, floors %d and %d, value %d", cfg.Rule, w.PricePerImpression, cfg.Floor, c.Floor, auction.Value(c))
			}
		}
	}
}

func slotOf(winners []auction.Winner, who int) int {
	for _, w := range winners {
		if w.Index == who {
			return w.Slot
		}
	}
	return auction.MaxSlots
}

func TestScienceCMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	s := new(auction.Scratch)
	for range 100_000 { // x 2 auctions
		cfg, cands := world(r, 1+r.IntN(12))
		who := r.IntN(len(cands))
		before := slotOf(auction.Run(&cfg, cands, s), who)
		if cands[who].Bid > money.MaxNanos/2 {
			continue
		}
		cands[who].Bid += money.Nanos(r.Int64N(10) + r.Int64N(2)*r.Int64N(1_000_000_000))
		if after := slotOf(auction.Run(&cfg, cands, s), who); after > before {
			t.Fatalf("a higher bid moved candidate %d from slot %d to %d", who, before, after)
		}
	}
}

func TestScienceCTiesAreUniform(t *testing.T) {
	const n, rounds = 8, 80_000
	cands := make([]auction.Candidate, n)
	for i := range cands {
		cands[i] = auction.Candidate{Ad: uint64(100 + i), Advertiser: uint64(i), Bid: 5, Rate: money.One, Pacing: money.One}
	}
	var first, second [n]int
	s := new(auction.Scratch)
	for seed := range uint64(rounds) {
		w := auction.Run(&auction.Config{Slots: 2, Seed: seed}, cands, s)
		first[w[0].Index]++
		second[w[1].Index]++
	}
	const p = 1.0 / n
	sigma := math.Sqrt(rounds * p * (1 - p))
	for i := range n {
		for _, got := range []int{first[i], second[i]} {
			if d := math.Abs(float64(got) - rounds*p); d > 3*sigma {
				t.Errorf("ad %d won a tie %d times of %d, %.1f sigma from even", i, got, rounds, d/sigma)
			}
		}
	}
}

func TestScienceDReserveRevenue(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	s := new(auction.Scratch)
	revenue := func(n int, reserve float64, rounds int) float64 {
		cfg := auction.Config{Slots: 1, Floor: money.Nanos(reserve * 1e9)}
		cands := make([]auction.Candidate, n)
		var sum float64
		for range rounds {
			for i := range cands {
				cands[i] = auction.Candidate{Ad: uint64(i), Bid: money.Nanos(r.Int64N(1_000_000_001)), Rate: money.One, Pacing: money.One}
			}
			for _, w := range auction.Run(&cfg, cands, s) {
				sum += float64(w.Price)
			}
		}
		return sum / 1e9 / float64(rounds)
	}
	two := func(reserve float64) float64 { return 1.0/3 + reserve*reserve - 4*reserve*reserve*reserve/3 }
	check := func(n int, reserve, want float64) {
		t.Helper()
		if got := revenue(n, reserve, 150_000); math.Abs(got/want-1) > .005 {
			t.Errorf("%d bidders, reserve %.1f: revenue %.5f, closed form %.5f", n, reserve, got, want)
		}
	}
	check(2, 0, two(0))
	check(2, .3, two(.3))
	check(2, .5, two(.5))
	check(1, .5, .25)
	check(1, .3, .21)
}
