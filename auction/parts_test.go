package auction_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"mazad/auction"
	"mazad/internal/money"
)

// part is what a bounded search brings at once, and the bound of all that comes
// after it.
type part struct {
	cands []auction.Candidate
	rest  money.Nanos
}

// bounded lays candidates out as a bounded search meets them: the most promising
// first, in parts of random size. The bounds lie at or above the truth: exact,
// a little or far above, or the same for everyone.
func bounded(r *rand.Rand, cands []auction.Candidate) (parts []part) {
	type bid struct {
		auction.Candidate
		bound money.Nanos
	}
	slack := []int64{0, 2, 1 << 40}[r.IntN(3)]
	bids := make([]bid, len(cands))
	for i, c := range cands {
		true := max(auction.Value(&c), auction.Score(&c), 0)
		extra := money.Nanos(0)
		if slack > 0 {
			extra = money.Nanos(r.Int64N(slack))
		}
		bids[i] = bid{c, true + min(extra, money.MaxNanos-true)}
	}
	slices.SortStableFunc(bids, func(a, b bid) int { return cmp.Compare(b.bound, a.bound) })
	for at := 0; at < len(bids); {
		n := 1 + r.IntN(len(bids)-at)
		p := part{}
		for _, b := range bids[at : at+n] {
			p.cands = append(p.cands, b.Candidate)
		}
		if at += n; at < len(bids) {
			p.rest = bids[at].bound
		}
		parts = append(parts, p)
	}
	return parts
}

// ask runs the auction over the parts as serving does: it takes the next part
// only while the outcome is open, and begins again without a winner whose hold
// was refused. It returns how many parts were needed.
func ask(cfg *auction.Config, parts []part, refused func(ad uint64) bool, s *auction.Scratch) (winners []auction.Winner, cands []auction.Candidate, used int) {
	s.Open()
	for {
		rest := money.MaxNanos
		if used > 0 {
			rest = parts[used-1].rest
		}
		if used < len(parts) && !s.Settled(cfg, rest) {
			from := len(cands)
			cands = append(cands, parts[used].cands...)
			s.Add(cfg, cands, from)
			used++
			continue
		}
		winners = s.Close(cfg, cands)
		bad := slices.IndexFunc(winners, func(w auction.Winner) bool { return refused(cands[w.Index].Ad) })
		if bad < 0 {
			return winners, cands, used
		}
		cands = slices.Delete(cands, winners[bad].Index, winners[bad].Index+1)
		s.Open()
		s.Add(cfg, cands, 0)
	}
}

// A search that stops as soon as Settled says so ends with the winners and
// prices of looking at everything, whatever the bounds, the ties, the advertisers
// and the refused holds.
func TestI3StoppingEarlyChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var s auction.Scratch
	worlds, early := 100_000, 0
	if testing.Short() {
		worlds = 10_000
	}
	for range worlds {
		cfg, cands := world(r, 1+r.IntN(24))
		broke := map[uint64]bool{}
		for i := range cands {
			broke[cands[i].Ad] = r.IntN(6) == 0
		}
		parts := bounded(r, cands)
		got, seen, used := ask(&cfg, parts, func(ad uint64) bool { return broke[ad] }, &s)
		if used < len(parts) {
			early++
		}
		all := slices.Clone(cands)
		want := newOracle(&cfg, all).winners()
		for bad := 0; bad >= 0; {
			if bad = slices.IndexFunc(want, func(w auction.Winner) bool { return broke[all[w.Index].Ad] }); bad >= 0 {
				all = slices.Delete(all, want[bad].Index, want[bad].Index+1)
				want = newOracle(&cfg, all).winners()
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d winners after %d of %d parts, want %d\n%+v\n%+v", len(got), used, len(parts), len(want), cfg, parts)
		}
		for i := range got {
			a, b := got[i], want[i]
			if seen[a.Index].Ad != all[b.Index].Ad || a.Price != b.Price || a.PricePerImpression != b.PricePerImpression || a.Score != b.Score {
				t.Fatalf("slot %d after %d of %d parts: ad %d at %d, want ad %d at %d\n%+v\n%+v", i, used, len(parts), seen[a.Index].Ad, a.Price, all[b.Index].Ad, b.Price, cfg, parts)
			}
		}
	}
	if early < worlds/4 {
		t.Fatalf("only %d of %d searches stopped early: the test proves little", early, worlds)
	}
}
