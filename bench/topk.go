package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"mazad/auction"
	"mazad/bench/line"
	"mazad/internal/money"
	"mazad/targeting"
)

const (
	topSlots      = 10
	topChecked    = 60 // requests whose winners are compared with those of looking at everything
	topAdvertiser = 20 // ad groups of one advertiser
	worstSize     = 100_000
	topTarget100k = 30  // us at the median
	topTarget1m   = 150 // us at the median
)

// market is a synthetic world of bids over the rules of the match suite: bids
// lognormal with sigma 1, prior click rates Beta with mean 1 %, of every user and
// ad a lift within [1/lift, lift], 5 % of the ad groups at their frequency cap for
// half of the users, 10 % paced.
type market struct {
	groups []contender      // in rank order
	rules  []targeting.Rule // of groups
	lifts  [256]money.PPB   // multipliers of the prior, drawn by a hash
}

type contender struct {
	id         uint64
	advertiser uint64
	bid        money.Nanos
	prior      money.PPB
	pace       money.PPB
	capped     bool
}

// newMarket draws a market and ranks it. equal gives every ad group the same bid,
// rate and pace: nothing can be ruled out by its worth.
func newMarket(rules []targeting.Rule, seed uint64, lift float64, equal bool) *market {
	rng := rand.New(rand.NewPCG(seed, 0x746f706b))
	m := &market{groups: make([]contender, len(rules)), rules: make([]targeting.Rule, len(rules))}
	for i := range m.lifts { // log-uniform
		x := math.Exp((2*(float64(i)+0.5)/float64(len(m.lifts)) - 1) * math.Log(lift))
		m.lifts[i] = money.PPB(x * float64(money.One))
	}
	for i := range m.groups {
		c := &m.groups[i]
		*c = contender{id: uint64(i), advertiser: uint64(i / topAdvertiser), bid: 200_000_000, prior: money.One / 100, pace: money.One}
		if equal {
			continue
		}
		c.bid = money.Nanos(200_000_000 * math.Exp(rng.NormFloat64()))
		c.prior = money.PPB(beta2(rng, 198) * float64(money.One))
		c.capped = rng.IntN(20) == 0
		if rng.IntN(10) == 0 {
			c.pace = money.One/10 + money.PPB(rng.Uint64N(uint64(money.One)*9/10))
		}
	}
	slices.SortStableFunc(m.groups, func(a, b contender) int { return cmp.Compare(m.most(&b), m.most(&a)) })
	for i := range m.groups {
		m.rules[i] = rules[m.groups[i].id]
	}
	return m
}

// beta2 draws from Beta(2, b) as a ratio of sums of exponentials; b is whole.
func beta2(rng *rand.Rand, b int) float64 {
	x, y := rng.ExpFloat64()+rng.ExpFloat64(), 0.0
	for range b {
		y += rng.ExpFloat64()
	}
	return x / (x + y)
}

// most is the worth of an ad group to the user whom it suits best.
func (m *market) most(c *contender) money.Nanos {
	k := auction.Candidate{Bid: c.bid, Rate: lifted(c.prior, m.lifts[len(m.lifts)-1]), Pacing: c.pace}
	return auction.Score(&k)
}

// lifted is a rate times a multiplier, at most One.
func lifted(rate, by money.PPB) money.PPB {
	return min(money.PPB(uint64(rate)/1000*uint64(by)/(uint64(money.One)/1000)), money.One)
}

// searcher asks for the ten best ads of a request, tier by tier, until the outcome
// is settled.
type searcher struct {
	market  *market
	tiers   []targeting.Tier
	bounds  []money.Nanos // by tier
	cfg     auction.Config
	match   targeting.Scratch
	auction auction.Scratch
	cands   []auction.Candidate
	met     int
}

func newSearcher(m *market, first int) *searcher {
	s := &searcher{market: m, cfg: auction.Config{Slots: topSlots, MaxPerAdvertiser: 1, Floor: 1000}}
	s.tiers = targeting.BuildTiers(m.rules, first)
	for _, t := range s.tiers {
		s.bounds = append(s.bounds, m.most(&m.groups[t.From]))
	}
	return s
}

func (s *searcher) ask(q *targeting.Personal, user uint64) []auction.Winner {
	s.cands = s.cands[:0]
	s.cfg.Seed = user
	s.auction.Open()
	for i, t := range s.tiers {
		if s.auction.Settled(&s.cfg, s.bounds[i]) {
			break
		}
		from := len(s.cands)
		for _, ord := range t.Index.MatchPersonal(q, &s.match) {
			c := &s.market.groups[t.From+ord]
			h := mix(user ^ c.id*0x9e3779b97f4a7c15)
			if c.capped && h>>63 == 1 {
				continue
			}
			s.cands = append(s.cands, auction.Candidate{
				Ad: c.id, Advertiser: c.advertiser, Bid: c.bid, Rate: lifted(c.prior, s.market.lifts[h&255]), Pacing: c.pace,
			})
		}
		s.auction.Add(&s.cfg, s.cands, from)
	}
	s.met += len(s.cands)
	return s.auction.Close(&s.cfg, s.cands)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// topK measures the search for the ten best with bounds, beside looking at
// everything, and that the two agree.
func topK(ctx context.Context, o *Options, rules []targeting.Rule, queries []targeting.Personal, p *line.Printer) error {
	n := len(rules)
	target := line.Target{}
	switch n {
	case 100_000:
		target = line.AtMost(topTarget100k)
	case 1_000_000:
		target = line.AtMost(topTarget1m)
	}
	d, err := compare(ctx, o, newMarket(rules, o.Seed, 2, false), queries)
	if err != nil {
		return fmt.Errorf("%s: %w", at("topk", n), err)
	}
	p.Remark("%s: %.0f ad groups are scored for a request instead of %.0f, which takes %.1f us; winners and prices of %d requests are equal", at("topk", n), d.met, d.metWhole, d.wholeP50, topChecked)
	p.Print(line.Figure{Name: at("topk_p50_us", n), Value: d.p50, Unit: "us", Target: target, N: d.n})
	p.Print(line.Figure{Name: at("topk_p99_us", n), Value: d.p99, Unit: "us", N: d.n})
	p.Print(line.Figure{Name: at("scored_share", n), Value: d.met / d.metWhole, Unit: "1", N: d.n})
	if n != worstSize {
		return nil
	}
	if d, err = compare(ctx, o, newMarket(rules, o.Seed, 10, true), queries); err != nil {
		return fmt.Errorf("%s: %w", at("topk_worst", n), err)
	}
	p.Remark("%s: equal bids and a lift of up to 10; %.0f of %.0f are scored", at("topk_worst", n), d.met, d.metWhole)
	p.Print(line.Figure{Name: at("topk_worst_p50_us", n), Value: d.p50, Unit: "us", Target: line.AtMost(d.wholeP50), N: d.n})
	return nil
}

// comparison is the bounded search beside one index of everything.
type comparison struct {
	p50, p99, wholeP50 float64 // us
	met, metWhole      float64 // scored for a request
	n                  int64
}

// compare checks winners and prices of some requests, then lets the two take
// turns.
func compare(ctx context.Context, o *Options, m *market, queries []targeting.Personal) (d comparison, err error) {
	tiered, whole := newSearcher(m, targeting.FirstTier), newSearcher(m, len(m.rules))
	for i := range min(topChecked, len(queries)) {
		got := slices.Clone(tiered.ask(&queries[i], uint64(i)))
		want := whole.ask(&queries[i], uint64(i))
		if len(got) != len(want) {
			return d, fmt.Errorf("request %d: %d winners, looking at everything %d", i, len(got), len(want))
		}
		for k := range got {
			if tiered.cands[got[k].Index].Ad != whole.cands[want[k].Index].Ad || got[k].Price != want[k].Price {
				return d, fmt.Errorf("request %d, place %d: ad group %d at %d, looking at everything %d at %d", i, k,
					tiered.cands[got[k].Index].Ad, got[k].Price, whole.cands[want[k].Index].Ad, want[k].Price)
			}
		}
	}
	samples := matchSamples1
	if o.Samples > 0 {
		samples = o.Samples
	}
	tiered.met, whole.met = 0, 0
	var took, wholeTook []time.Duration
	const block = 200
	for from := 0; from < samples && ctx.Err() == nil; from += block {
		took = tiered.times(queries, from, block, took)
		wholeTook = whole.times(queries, from, block, wholeTook)
	}
	d.n = int64(len(took))
	d.met, d.metWhole = float64(tiered.met)/float64(len(took)), float64(whole.met)/float64(len(took))
	d.p50, d.p99, d.wholeP50 = micros(quantile(took, 50)), micros(quantile(took, 99)), micros(quantile(wholeTook, 50))
	return d, ctx.Err()
}

func (s *searcher) times(queries []targeting.Personal, from, n int, took []time.Duration) []time.Duration {
	for i := from; i < from+n; i++ {
		start := time.Now()
		s.ask(&queries[i%len(queries)], uint64(i))
		took = append(took, time.Since(start))
	}
	return took
}
