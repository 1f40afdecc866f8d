package auction_test

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"mazad/auction"
	"mazad/internal/money"

	"pgregory.net/rapid"
)

// oracle is the auction as one would tell it: drop who may not compete, sort
// everybody, keep each advertiser's best, price by the textbook with exact
// fractions. It shares Score and the tie hash's order (learnt from Run on
// pairs) with nothing but the definitions in doc.go.
type oracle struct {
	cfg   *auction.Config
	cands []auction.Candidate
	rank  []int // indices, best first, diversity applied
}

func newOracle(cfg *auction.Config, cands []auction.Candidate) *oracle {
	o := &oracle{cfg: cfg, cands: cands}
	for i := range cands {
		c := &cands[i]
		v := auction.Value(c)
		if v > 0 && v >= cfg.Floor && v >= c.Floor && auction.Score(c) >= 0 {
			o.rank = append(o.rank, i)
		}
	}
	slices.SortStableFunc(o.rank, func(a, b int) int {
		sa, sb := auction.Score(&cands[a]), auction.Score(&cands[b])
		switch {
		case sa > sb:
			return -1
		case sa < sb:
			return 1
		}
		return o.duel(a, b)
	})
	if m := cfg.MaxPerAdvertiser; m > 0 {
		seen := map[uint64]int{}
		o.rank = slices.DeleteFunc(o.rank, func(i int) bool {
			seen[cands[i].Advertiser]++
			return seen[cands[i].Advertiser] > m
		})
	}
	return o
}

// duel asks an auction of two which of equal candidates goes first.
func (o *oracle) duel(a, b int) int {
	if o.cands[a].Ad == o.cands[b].Ad {
		return a - b
	}
	cfg := *o.cfg
	cfg.Slots, cfg.MaxPerAdvertiser = 1, 0
	if auction.Run(&cfg, []auction.Candidate{o.cands[a], o.cands[b]}, new(auction.Scratch))[0].Index == 0 {
		return -1
	}
	return 1
}

func (o *oracle) weight(j int) *big.Int {
	w := o.cfg.SlotWeights
	switch {
	case len(w) == 0:
		return big.NewInt(int64(money.One))
	case j >= len(w):
		j = len(w) - 1
	}
	return big.NewInt(int64(w[j]))
}

// threshold is the value per impression that keeps rank place j.
func (o *oracle) threshold(c *auction.Candidate, j int) *big.Int {
	t := big.NewInt(int64(auction.ClearingFloor(o.cfg, c)))
	if j+1 < len(o.rank) {
		next := new(big.Int).Sub(big.NewInt(int64(auction.Score(&o.cands[o.rank[j+1]]))), big.NewInt(int64(c.Quality)))
		if next.Cmp(t) > 0 {
			t = next
		}
	}
	return t
}

func (o *oracle) winners() []auction.Winner {
	var out []auction.Winner
	filled := min(o.cfg.Slots, len(o.rank))
	for i := range filled {
		c := &o.cands[o.rank[i]]
		num, den := o.threshold(c, i), big.NewInt(1)
		switch o.cfg.Rule {
		case auction.FirstPrice:
			num = nil
		case auction.VCG:
			num, den = new(big.Int), o.weight(i)
			for j := i; j < filled; j++ {
				drop := o.weight(j)
				if j+1 < filled {
					drop = new(big.Int).Sub(drop, o.weight(j+1))
				}
				num.Add(num, drop.Mul(drop, o.threshold(c, j)))
			}
		}
		price := auction.PacedBid(c)
		rate := min(c.Rate, money.One)
		if num != nil {
			num.Mul(num, big.NewInt(int64(money.One)))
			den = new(big.Int).Mul(den, big.NewInt(int64(rate)))
			q, r := new(big.Int).DivMod(num, den, new(big.Int))
			if r.Sign() > 0 {
				q.Add(q, big.NewInt(1))
			}
			if q.IsInt64() && money.Nanos(q.Int64()) < price {
				price = money.Nanos(q.Int64())
			}
		}
		w := auction.Winner{Index: o.rank[i], Slot: i, Score: auction.Score(c), Price: price, PricePerImpression: price.MulPPB(rate), RunnerUp: -1}
		if i+1 < len(o.rank) {
			w.RunnerUp = o.rank[i+1]
		}
		out = append(out, w)
	}
	return out
}

// world draws an auction, small numbers half of the time so that ties, zeros
// and floors meet.
func world(r *rand.Rand, n int) (auction.Config, []auction.Candidate) {
	scale := int64(6)
	if r.IntN(2) == 0 {
		scale = 1_000_000_000
	}
	one := func() money.PPB {
		switch r.IntN(4) {
		case 0:
			return money.PPB(r.Uint64N(uint64(money.One)))
		case 1:
			return money.One / 2
		case 2:
			return money.PPB(r.Uint64N(2)) * money.One
		}
		return money.One
	}
	cfg := auction.Config{
		Rule: auction.Rule(r.IntN(3)), Slots: r.IntN(12), Floor: money.Nanos(r.Int64N(scale) / 2),
		MaxPerAdvertiser: r.IntN(4), Seed: r.Uint64(),
	}
	last := money.One
	for range r.IntN(cfg.Slots + 1) {
		cfg.SlotWeights = append(cfg.SlotWeights, last)
		last -= last / money.PPB(2+r.IntN(9))
	}
	cands := make([]auction.Candidate, n)
	for i := range cands {
		cands[i] = auction.Candidate{
			Ad: uint64(i), Advertiser: r.Uint64N(uint64(n)/2 + 1), Bid: money.Nanos(r.Int64N(scale) - scale/8),
			Rate: one(), Pacing: one(), Quality: money.Nanos(r.Int64N(scale)-scale/2) / 4, Floor: money.Nanos(r.Int64N(scale) - scale/2),
		}
	}
	if scale > 6 && r.IntN(50) == 0 && n > 0 {
		cands[r.IntN(n)].Bid = money.MaxNanos
		cands[r.IntN(n)].Quality = money.MaxNanos
		cands[r.IntN(n)].Quality = -money.MaxNanos - 1
		cands[r.IntN(n)].Floor = money.MaxNanos
	}
	return cfg, cands
}

func sameAsOracle(t *testing.T, cfg *auction.Config, cands []auction.Candidate, s *auction.Scratch) {
	t.Helper()
	got, want := auction.Run(cfg, cands, s), newOracle(cfg, cands).winners()
	if !slices.Equal(got, want) {
		t.Fatalf("%+v\n%+v\n got %+v\nwant %+v", *cfg, cands, got, want)
	}
}

func TestI3WinnersAndPricesAreThoseOfSortingEverything(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	s := new(auction.Scratch)
	for range 40_000 {
		cfg, cands := world(r, r.IntN(30))
		sameAsOracle(t, &cfg, cands, s)
	}
	for range 20 {
		cfg, cands := world(r, 5_000)
		sameAsOracle(t, &cfg, cands, s)
	}
}

func FuzzI3RunAgainstOracle(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(9))
	f.Fuzz(func(t *testing.T, a, b uint64, n uint8) {
		cfg, cands := world(rand.New(rand.NewPCG(a, b)), int(n))
		sameAsOracle(t, &cfg, cands, new(auction.Scratch))
	})
}

// A refused hold: with its bid at 0 the candidate is as good as absent.
func TestI3RemovedCandidateIsAsAbsent(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	var s, s2 auction.Scratch
	for range 5_000 {
		cfg, cands := world(r, 2+r.IntN(20))
		gone := r.IntN(len(cands))
		if won := auction.Run(&cfg, cands, &s); len(won) > 0 {
			gone = won[r.IntN(len(won))].Index
		}
		rest := slices.Delete(slices.Clone(cands), gone, gone+1)
		cands[gone].Bid = 0
		got, want := auction.Run(&cfg, cands, &s), auction.Run(&cfg, rest, &s2)
		for i := range want {
			if want[i].Index >= gone {
				want[i].Index++
			}
			if want[i].RunnerUp >= gone {
				want[i].RunnerUp++
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("removed %d: got %+v, want %+v", gone, got, want)
		}
	}
}

func TestI3OrderOfCandidatesDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var s, s2 auction.Scratch
	for range 5_000 {
		cfg, cands := world(r, 1+r.IntN(25))
		mixed := slices.Clone(cands)
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		a, b := auction.Run(&cfg, cands, &s), auction.Run(&cfg, mixed, &s2)
		if len(a) != len(b) {
			t.Fatalf("%d winners, shuffled %d", len(a), len(b))
		}
		for i := range a {
			if cands[a[i].Index].Ad != mixed[b[i].Index].Ad || a[i].Price != b[i].Price {
				t.Fatalf("slot %d: %+v, shuffled %+v", i, a[i], b[i])
			}
		}
	}
}

func TestI9EveryLossHasAReasonAndReasonsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	var s, s2 auction.Scratch
	for range 20_000 {
		cfg, cands := world(r, r.IntN(25))
		rank := newOracle(&cfg, cands).rank
		winners, out := auction.Explain(&cfg, cands, &s, nil)
		if len(out) != len(cands) || !slices.Equal(winners, auction.Run(&cfg, cands, &s2)) {
			t.Fatalf("explain changed the auction or left somebody out")
		}
		won := 0
		for i, o := range out {
			c := &cands[i]
			if o.Score != auction.Score(c) {
				t.Fatalf("score of %d is %d, explained as %d", i, auction.Score(c), o.Score)
			}
			place, v, ok := slices.Index(rank, i), auction.Value(c), false
			switch o.Reason {
			case auction.Won:
				won++
				ok = place >= 0 && place < cfg.Slots && o.Slot == place
			case auction.LostNoValue:
				ok = v == 0
			case auction.LostBelowFloor:
				ok = v > 0 && (v < cfg.Floor || v < c.Floor)
			case auction.LostQuality:
				ok = v > 0 && o.Score < 0
			case auction.LostDiversity:
				ok = place < 0 && cfg.MaxPerAdvertiser > 0
			case auction.LostOutbid:
				ok = (place < 0 && cfg.MaxPerAdvertiser > 0 || place >= cfg.Slots) && len(winners) == cfg.Slots
			}
			if !ok {
				t.Fatalf("%+v candidate %d %+v at place %d explained as %v", cfg, i, *c, place, o)
			}
		}
		if won != len(winners) {
			t.Fatalf("%d winners, %d explained as won", len(winners), won)
		}
	}
}

func TestValueIsBidTimesPacingTimesRateRoundedDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := auction.Candidate{
			Bid: money.Nanos(rapid.Int64().Draw(t, "bid")), Pacing: money.PPB(rapid.Uint64Range(0, 1_100_000_000).Draw(t, "pacing")),
			Rate: money.PPB(rapid.Uint64Range(0, 1_100_000_000).Draw(t, "rate")),
		}
		paced := max(c.Bid, 0).MulPPB(min(c.Pacing, money.One))
		if got, want := auction.Value(&c), paced.MulPPB(min(c.Rate, money.One)); got != want {
			t.Fatalf("%+v: %d, want %d", c, got, want)
		}
	})
}

func TestClearingFloorIsTheSmallestValueThatCompetes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := auction.Candidate{
			Ad: 1, Rate: money.One, Pacing: money.One, Quality: money.Nanos(rapid.Int64Range(-50, 50).Draw(t, "quality")),
			Floor: money.Nanos(rapid.Int64Range(-5, 60).Draw(t, "own floor")),
		}
		cfg := auction.Config{Slots: 1, Floor: money.Nanos(rapid.Int64Range(-5, 60).Draw(t, "floor"))}
		floor := max(auction.ClearingFloor(&cfg, &c), 1) // a value of 0 never competes
		for bid := money.Nanos(0); bid < 70; bid++ {
			c.Bid = bid
			if won := len(auction.Run(&cfg, []auction.Candidate{c}, new(auction.Scratch))) == 1; won != (bid >= floor) {
				t.Fatalf("floor %d, bid %d: won is %v", floor, bid, won)
			}
		}
	})
}
