package auction_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mazad/auction"
	"mazad/internal/money"
)

func crowd(n int) []auction.Candidate {
	r := rand.New(rand.NewPCG(1, 1))
	cands := make([]auction.Candidate, n)
	for i := range cands {
		cands[i] = auction.Candidate{
			Ad: uint64(i), Advertiser: uint64(i / 5), Bid: money.Nanos(1_000_000 + r.Int64N(20_000_000)), Rate: money.One,
			Pacing: money.PPB(r.Uint64N(uint64(money.One)) + 1), Quality: money.Nanos(r.Int64N(1_000_000)),
		}
	}
	return cands
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		cands := crowd(n)
		if n == 1_000 { // some pay per click
			for i := range cands {
				if i%3 == 0 {
					cands[i].Bid, cands[i].Rate = 300_000_000+money.Nanos(i), 10_000_000
				}
			}
		}
		for rule := range auction.Rule(3) {
			b.Run(fmt.Sprintf("%v/%d", rule, n), func(b *testing.B) {
				cfg := auction.Config{Rule: rule, Slots: 10, MaxPerAdvertiser: 1, Floor: 500_000}
				s := new(auction.Scratch)
				b.ReportAllocs()
				for b.Loop() {
					auction.Run(&cfg, cands, s)
				}
			})
		}
	}
}
