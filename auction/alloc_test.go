package auction_test

import (
	"testing"

	"mazad/auction"
)

func TestRunAllocatesNothing(t *testing.T) {
	cands, s := crowd(5_000), new(auction.Scratch)
	dst := make([]auction.Outcome, 0, len(cands))
	for rule := range auction.Rule(3) {
		cfg := auction.Config{Rule: rule, Slots: 10, MaxPerAdvertiser: 2}
		auction.Run(&cfg, cands, s)
		if n := testing.AllocsPerRun(20, func() { auction.Run(&cfg, cands, s) }); n != 0 {
			t.Errorf("%v: %v allocations, want 0", rule, n)
		}
		if n := testing.AllocsPerRun(20, func() { auction.Explain(&cfg, cands, s, dst[:0]) }); n != 0 {
			t.Errorf("%v: explain: %v allocations with room in dst, want 0", rule, n)
		}
	}
}
