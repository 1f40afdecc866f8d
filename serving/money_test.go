package serving

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
	"mazad/prediction"
	"mazad/serving/servingtest"
)

// TestI1NoLimitIsPassed serves small budgets through two midnights with random
// impressions, clicks, expiries, budget edits and a store that goes away, and adds
// up what the diary says was billed: never more than a limit, per day and in all.
func TestI1NoLimitIsPassed(t *testing.T) {
	for seed := range uint64(3) {
		s := newStage(t, campaigntest.Options{AdGroups: 400, Seed: 20 + seed}, 3_000_000) // wallets of 3 units
		for i := range s.tree.AdGroups {
			g := &s.tree.AdGroups[i]
			g.Budget = money.Micros(20_000 + i*977%400_000) // 2 to 42 cents a day
			if i%4 == 0 {
				g.BudgetMode = campaign.BudgetTotal
			}
		}
		for i := range s.tree.Campaigns {
			if i%3 == 0 {
				s.tree.Campaigns[i].BudgetMode, s.tree.Campaigns[i].Budget = campaign.BudgetDay, 300_000
			}
		}
		for i := range s.tree.Advertisers {
			if i%2 == 0 {
				s.tree.Advertisers[i].SpendCap = 1_500_000
			}
		}
		s.publish(t)
		tr, d := s.track(t)
		s.storm(t, tr, rand.New(rand.NewPCG(seed, 1)))
		s.checkLimits(t, records(t, d))
	}
}

// storm is two days of traffic in 6,000 steps.
func (s *stage) storm(t *testing.T, tr *Tracker, rng *rand.Rand) {
	var req Request
	var resp Response
	var out [][]byte
	for i := range 6000 {
		s.request(rng.IntN(512), 1+rng.IntN(3), &req)
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			out = append(out, append([]byte(nil), p.Token...))
		}
		for len(out) > 0 && rng.IntN(3) > 0 {
			k := rng.IntN(len(out))
			for _, sig := range []Signal{SignalImpression, SignalView, SignalClick} {
				if rng.IntN(2) == 0 {
					tr.judge(context.Background(), new(beaconWork), &Beacon{Signal: sig, Token: out[k]})
				}
			}
			out[k] = out[len(out)-1]
			out = out[:len(out)-1]
		}
		s.clock.Advance(time.Duration(rng.IntN(58)) * time.Second)
		if rng.IntN(200) == 0 {
			s.clock.Advance(-time.Minute) // clocks jump
		}
		s.treasurer.Sweep(s.clock.Now())
		var away error
		if i%50 < 5 {
			away = context.DeadlineExceeded
		}
		s.leases.SetAway(away)
		if err := s.treasurer.Tick(context.Background(), s.clock.Now()); err != nil && away == nil {
			t.Fatal(err)
		}
		if i%1000 == 999 { // budgets grow by a fifth or stay; smaller ones are TestASmallerBudgetHoldsAtOnce
			g := &s.tree.AdGroups[rng.IntN(len(s.tree.AdGroups))]
			g.Budget += g.Budget / 5
			s.leases.SetAway(nil)
			s.publish(t)
		}
	}
}

// checkLimits is the independent sum.
func (s *stage) checkLimits(t *testing.T, list []events.Record) {
	t.Helper()
	spent := map[ledger.Limit]money.Sum{}
	add := func(kind ledger.LimitKind, owner int64, day int32, n money.Nanos) {
		l := ledger.Limit{Kind: kind, Owner: owner, Day: day}
		spent[l] = spent[l].AddNanos(n)
	}
	billed := 0
	for _, r := range list {
		if r.Verdict != events.VerdictBilled {
			continue
		}
		billed++
		add(ledger.AdGroupDay, int64(r.AdGroup), r.Day, r.BilledNanos)
		add(ledger.AdGroupLifetime, int64(r.AdGroup), 0, r.BilledNanos)
		add(ledger.CampaignDay, int64(r.Campaign), r.Day, r.BilledNanos)
		add(ledger.AdvertiserCap, int64(r.Advertiser), 0, r.BilledNanos)
		add(ledger.WalletLimit, int64(r.Advertiser), 0, r.BilledNanos)
	}
	binding := 0
	check := func(kind ledger.LimitKind, owner int64, limit money.Sum) {
		for l, sum := range spent {
			if l.Kind != kind || l.Owner != owner {
				continue
			}
			if sum.Cmp(limit) > 0 {
				t.Errorf("%s %d on %d: billed %s of %s", kind, owner, l.Day, sum, limit)
			}
			if sum.Mul(10).Cmp(limit.Mul(8)) > 0 {
				binding++
			}
		}
	}
	for _, g := range s.tree.AdGroups {
		if g.BudgetMode == campaign.BudgetTotal {
			check(ledger.AdGroupLifetime, int64(g.ID), g.Budget.Sum())
		} else {
			check(ledger.AdGroupDay, int64(g.ID), g.Budget.Sum())
		}
	}
	for _, c := range s.tree.Campaigns {
		if c.BudgetMode == campaign.BudgetDay {
			check(ledger.CampaignDay, int64(c.ID), c.Budget.Sum())
		}
	}
	for _, a := range s.tree.Advertisers {
		if a.SpendCap > 0 {
			check(ledger.AdvertiserCap, int64(a.ID), a.SpendCap.Sum())
		}
		check(ledger.WalletLimit, int64(a.ID), s.leases.Funded())
	}
	if billed < 500 || binding < 10 {
		t.Errorf("%d events billed and %d limits nearly used up: too few for the test to mean anything", billed, binding)
	}
	if st, _ := s.treasurer.Pacing(); st.Misused != 0 {
		t.Errorf("%d calls on limits that were not open", st.Misused)
	}
}

func TestASmallerBudgetHoldsAtOnce(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 30, CPMOnly: true}, 1_000_000_000)
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	g.Budget, g.BidPrice = 100_000_000, 10_000_000 // one cent an impression
	s.publish(t)
	var req Request
	var resp Response
	ask := func() int {
		s.request(0, 1, &req)
		s.engine.Decide(&req, &resp)
		return len(resp.Ads)
	}
	served := 0
	for range 5 {
		served += ask()
	}
	g.Budget = 1 // a millionth: below what is held already
	s.publish(t)
	if served != 5 || ask() != 0 {
		t.Errorf("%d served before, reason after: %s", served, resp.Reason)
	}
	g.Budget = 100_000_000
	s.publish(t)
	if ask() != 1 {
		t.Errorf("nothing after the budget was raised again: %s", resp.Reason)
	}
}

// TestDearClickIsNotGivenAway: a click that costs more than the slice that is
// leased fetches the rest while it waits.
func TestDearClickIsNotGivenAway(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 31}, 1_000_000_000)
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	g.Goal, g.BillingEvent, g.BidPrice, g.Budget = campaign.GoalClick, campaign.CPC, 5_000_000, 50_000_000
	s.publish(t)
	tr, _ := s.track(t)
	billed := 0
	for i := range 30 {
		var req Request
		var resp Response
		s.request(i, 1, &req)
		s.engine.Decide(&req, &resp)
		if len(resp.Ads) == 0 {
			break
		}
		if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalClick, Token: resp.Ads[0].Token}); r.Status == BeaconBilled {
			billed++
		}
		s.clock.Advance(time.Second)
		s.treasurer.Sweep(s.clock.Now())
		must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
	}
	price := s.market.Floor // alone in the auction, the floor decides: far more than ten clicks fit
	if billed < 10 {
		t.Errorf("%d clicks billed at a floor of %s with a budget for many", billed, price)
	}
}

// TestTokensOfAnEarlierLife are billed against that life's lease and not beyond
// it, and free once it has run out.
func TestTokensOfAnEarlierLife(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 32, CPMOnly: true}, 1_000_000_000)
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	g.BidPrice = 10_000_000
	s.publish(t)
	var tokens [][]byte
	var price money.Nanos
	for i := range 5 {
		var req Request
		var resp Response
		s.request(i, 1, &req)
		s.engine.Decide(&req, &resp)
		tokens, price = append(tokens, append([]byte(nil), resp.Ads[0].Token...)), resp.Ads[0].Price
	}
	day := pacing.DayKey(noon, mustZone(t, s.tree.Advertisers[0].Zone))
	expires := noon.Add(leaseLifetime)
	lease := func(kind ledger.LimitKind, owner int64, day int32) ledger.Lease {
		return ledger.Lease{Limit: ledger.Limit{Kind: kind, Owner: owner, Day: day}, Generation: 7, Granted: money.SumOf(3*price + price/2), ExpiresAt: expires}
	}
	next := servingtest.NewLeases(1_000_000_000)
	next.Earlier(lease(ledger.AdGroupDay, int64(g.ID), day), lease(ledger.WalletLimit, int64(g.Advertiser), 0))
	var err error
	s.leases = next
	s.treasurer, err = OpenTreasurer(context.Background(), TreasurerConfig{Clock: s.clock, Leases: next, Frequency: s.engine.cfg.Frequency, Generation: 8, MaxHolds: 1024})
	must(t, err)
	s.engine.cfg.Treasurer = s.treasurer
	s.publish(t)
	tr, _ := s.track(t)
	ask := func(i int) BeaconStatus {
		return tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: tokens[i]}).Status
	}
	for i := range 3 {
		if got := ask(i); got != BeaconBilled {
			t.Errorf("token %d of the earlier life: %s", i, got)
		}
	}
	if got := ask(3); got != BeaconFree {
		t.Errorf("beyond the earlier life's lease: %s, want free", got)
	}
}

// TestBookkeeperEqualsTheFold: the ledger gets what an independent fold of the
// diary says, however often a pass is repeated.
func TestBookkeeperEqualsTheFold(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 300, Seed: 33}, 1_000_000_000)
	tr, d := s.track(t)
	rng := rand.New(rand.NewPCG(33, 1))
	books := &fakeBooks{spent: map[id.AdGroup]money.Sum{}}
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	keeper, err := NewBookkeeper(context.Background(), BookkeeperConfig{Clock: s.clock, Stream: d, Books: books, Learner: learner})
	must(t, err)
	for round := range 5 {
		var req Request
		var resp Response
		for i := range 40 {
			s.request(rng.IntN(512), 2, &req)
			s.engine.Decide(&req, &resp)
			for _, p := range resp.Ads {
				tr.Confirm(context.Background(), &Beacon{Signal: Signal(i % 3), Token: p.Token})
			}
		}
		// The store goes away once, and once its answer is lost; the next pass catches up.
		books.fail, books.mute = round == 2, round == 3
		if _, err := keeper.Pass(context.Background()); (err != nil) != (books.fail || books.mute) {
			t.Fatalf("round %d: %v", round, err)
		}
		books.fail, books.mute = false, false
	}
	_, err = keeper.Pass(context.Background())
	must(t, err)
	if _, err = keeper.Pass(context.Background()); err != nil {
		t.Fatal(err)
	}
	var fold events.Fold
	want := map[id.AdGroup]money.Sum{}
	for _, r := range records(t, d) {
		if fold.Add(&r) {
			want[r.AdGroup] = want[r.AdGroup].AddNanos(r.BilledNanos)
		}
	}
	for g, sum := range want {
		if books.spent[g] != sum {
			t.Errorf("ad group %s: ledger %s, diary %s", g, books.spent[g], sum)
		}
	}
	if st := learner.Stats(); st.Impressions != fold.Total.Impressions || st.Clicks != fold.Total.Clicks || st.Impressions == 0 {
		t.Errorf("the learner saw %+v, the diary holds %+v", st, fold.Total)
	}
	again, err := NewBookkeeper(context.Background(), BookkeeperConfig{Clock: s.clock, Stream: d, Books: books})
	must(t, err)
	seen := 0
	_, err = again.Recover(context.Background(), func(*events.Record) { seen++ })
	must(t, err)
	if uint64(seen) != fold.Records {
		t.Errorf("recovery showed %d records of %d", seen, fold.Records)
	}
}

// fakeBooks refuses gaps and overlaps as the ledger does.
type fakeBooks struct {
	at    uint64
	fail  bool // nothing is booked
	mute  bool // it is booked, and the answer is lost
	spent map[id.AdGroup]money.Sum
}

func (b *fakeBooks) PostSpend(_ context.Context, batch ledger.SpendBatch) (ledger.Posted, error) {
	if b.fail {
		return ledger.Posted{}, context.DeadlineExceeded
	}
	if batch.LastSeq <= b.at {
		return ledger.Posted{Replayed: true}, nil
	}
	if batch.FirstSeq != b.at+1 {
		return ledger.Posted{}, &ledger.SequenceError{Stream: batch.Stream, Position: b.at, First: batch.FirstSeq, Last: batch.LastSeq}
	}
	b.at = batch.LastSeq
	for _, r := range batch.Rows {
		b.spent[r.AdGroup] = b.spent[r.AdGroup].Add(r.Amount)
	}
	if b.mute {
		return ledger.Posted{}, context.DeadlineExceeded
	}
	return ledger.Posted{}, nil
}

func (b *fakeBooks) Heartbeat(context.Context, string, time.Time) error { return nil }
func (b *fakeBooks) Position(context.Context, string) (ledger.Position, error) {
	return ledger.Position{Seq: b.at}, nil
}
