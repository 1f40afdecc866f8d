package auction_test

import (
	"math"
	"testing"

	"mazad/auction"
	"mazad/internal/money"
)

func TestCorners(t *testing.T) {
	cpm := func(bid money.Nanos) auction.Candidate {
		return auction.Candidate{Bid: bid, Rate: money.One, Pacing: money.One}
	}
	with := func(c auction.Candidate, change func(*auction.Candidate)) auction.Candidate {
		change(&c)
		return c
	}
	f := func(name string, cfg auction.Config, want []money.Nanos, cands ...auction.Candidate) {
		t.Helper()
		for i := range cands {
			cands[i].Ad, cands[i].Advertiser = uint64(i), max(cands[i].Advertiser, uint64(100+i))
		}
		got := auction.Run(&cfg, cands, new(auction.Scratch))
		if len(got) != len(want) {
			t.Errorf("%s: %d winners, want prices %v", name, len(got), want)
			return
		}
		for i := range want {
			if got[i].Price != want[i] {
				t.Errorf("%s: slot %d pays %d, want %d", name, i, got[i].Price, want[i])
			}
		}
	}
	one, gsp3 := auction.Config{Slots: 1}, auction.Config{Slots: 3}
	f("nobody", gsp3, nil)
	f("no slots", auction.Config{}, nil, cpm(5))
	f("negative slots", auction.Config{Slots: -1}, nil, cpm(5))
	f("zero pacing", one, nil, with(cpm(5), func(c *auction.Candidate) { c.Pacing = 0 }))
	f("zero rate", one, nil, with(cpm(5), func(c *auction.Candidate) { c.Rate = 0 }))
	f("zero bid", one, nil, cpm(0))
	f("negative bid", one, nil, cpm(-5))
	f("value below a nano", one, nil, with(cpm(5), func(c *auction.Candidate) { c.Rate = money.One / 10 }))
	f("alone without a floor", one, []money.Nanos{0}, cpm(5))
	f("more slots than candidates", gsp3, []money.Nanos{3, 0}, cpm(5), cpm(3))
	f("floor above the bid", auction.Config{Slots: 1, Floor: 6}, nil, cpm(5))
	f("floor at the bid", auction.Config{Slots: 1, Floor: 5}, []money.Nanos{5}, cpm(5))
	f("own floor above the bid", one, []money.Nanos{0}, with(cpm(9), func(c *auction.Candidate) { c.Floor = 10 }), cpm(2))
	f("negative floors", auction.Config{Slots: 1, Floor: -5}, []money.Nanos{0}, with(cpm(9), func(c *auction.Candidate) { c.Floor = -9 }))
	f("floor per click, rounded up", auction.Config{Slots: 1, Floor: 10}, []money.Nanos{34},
		with(cpm(50), func(c *auction.Candidate) { c.Rate = 300_000_000 }))
	f("negative quality must be paid for", one, []money.Nanos{4}, with(cpm(9), func(c *auction.Candidate) { c.Quality = -4 }))
	f("negative score", one, nil, with(cpm(3), func(c *auction.Candidate) { c.Quality = -4 }))
	f("quality lowers the price to the floor", auction.Config{Slots: 1, Floor: 2}, []money.Nanos{2},
		with(cpm(9), func(c *auction.Candidate) { c.Quality = 50 }), cpm(8))
	f("quality wins over a higher bid", one, []money.Nanos{3}, cpm(8), with(cpm(5), func(c *auction.Candidate) { c.Quality = 5 }))
	f("tie pays the bid", one, []money.Nanos{5}, cpm(5), cpm(5))
	f("multipliers above one count as one", one, []money.Nanos{7},
		with(cpm(9), func(c *auction.Candidate) { c.Rate, c.Pacing = 9*money.One, 9*money.One }), cpm(7))
	f("first price is the paced bid", auction.Config{Rule: auction.FirstPrice, Slots: 1}, []money.Nanos{4},
		with(cpm(9), func(c *auction.Candidate) { c.Pacing = money.One / 2 }))
	huge := with(cpm(money.MaxNanos), func(c *auction.Candidate) { c.Quality = money.MaxNanos })
	f("saturated scores", one, []money.Nanos{0}, huge, huge)
	f("saturated against plain", one, []money.Nanos{money.MaxNanos}, cpm(money.MaxNanos), cpm(money.MaxNanos))
	f("lowest quality", one, nil, with(cpm(5), func(c *auction.Candidate) { c.Quality = math.MinInt64 }))
	f("largest bid at the smallest rate", auction.Config{Rule: auction.VCG, Slots: 1, Floor: 9}, []money.Nanos{9_000_000_000},
		with(cpm(money.MaxNanos), func(c *auction.Candidate) { c.Rate = 1 }))
	f("weights of zero", auction.Config{Rule: auction.VCG, Slots: 2, SlotWeights: []money.PPB{money.One, 0}}, []money.Nanos{7, 0}, cpm(9), cpm(7))
}

func TestSlotsAreBounded(t *testing.T) {
	cands := make([]auction.Candidate, auction.MaxSlots+10)
	for i := range cands {
		cands[i] = auction.Candidate{Ad: uint64(i), Bid: money.Nanos(i + 1), Rate: money.One, Pacing: money.One}
	}
	cfg := auction.Config{Slots: math.MaxInt}
	if got := len(auction.Run(&cfg, cands, new(auction.Scratch))); got != auction.MaxSlots {
		t.Errorf("%d winners, want %d", got, auction.MaxSlots)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	f := func(cfg auction.Config, want string) {
		t.Helper()
		err := cfg.Validate()
		if got := ""; err != nil {
			got = err.Error()
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		} else if want != got {
			t.Errorf("accepted, want %q", want)
		}
	}
	f(auction.Config{Slots: 10, SlotWeights: []money.PPB{money.One, 5, 5, 1}}, "")
	f(auction.Config{Rule: 7}, "auction rule is 7, want at most 2")
	f(auction.Config{Slots: 65}, "auction slots is 65, want 0 to 64")
	f(auction.Config{Floor: -1}, "auction floor is -1 nanos, want at least 0")
	f(auction.Config{MaxPerAdvertiser: -1}, "auction max_per_advertiser is -1, want at least 0")
	f(auction.Config{SlotWeights: []money.PPB{money.One, 0}}, "auction slot_weights[1] is 0, want 1 to 1000000000: weights descend from 1000000000")
	f(auction.Config{SlotWeights: []money.PPB{5, 6}}, "auction slot_weights[1] is 6, want 1 to 5: weights descend from 1000000000")
	if _, err := auction.ParseRule("gsp"); err == nil {
		t.Error("gsp was read as a rule")
	}
	for r := range auction.Rule(3) {
		if got, err := auction.ParseRule(r.String()); got != r || err != nil {
			t.Errorf("%v was read as %v, %v", r, got, err)
		}
	}
}
