package serving

import (
	"context"
	"errors"
	"fmt"
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
	"mazad/targeting"
)

// lone is a stage with one unconstrained CPM ad group that bids one cent an
// impression, and a floor of a tenth of that.
func lone(t *testing.T, budget, funded money.Micros) (*stage, *campaign.AdGroup) {
	t.Helper()
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 40, CPMOnly: true}, funded)
	s.market.Floor = 1_000_000
	s.engine.cfg.Market.Floor = s.market.Floor
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	g.Budget, g.BidPrice = budget, 10_000_000
	g.Version = 1
	s.publish(t)
	return s, g
}

// serve asks n times and returns the tokens.
func (s *stage) serve(n int) (tokens [][]byte) {
	var req Request
	var resp Response
	for i := range n {
		s.request(i, 1, &req)
		req.Recent = req.Recent[:0]
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			tokens = append(tokens, append([]byte(nil), p.Token...))
		}
	}
	return tokens
}

func (s *stage) wait(t *testing.T, d time.Duration) {
	t.Helper()
	for end := s.clock.Now().Add(d); s.clock.Now().Before(end); {
		s.clock.Advance(200 * time.Millisecond)
		must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
	}
}

// TestATopUpIsNoticed: a wallet that is empty but for a rest too small for any
// slot is asked about again, because it may have been topped up.
func TestATopUpIsNoticed(t *testing.T) {
	s, _ := lone(t, 100_000_000, 3_500) // 3.5 impressions at the floor
	if n := len(s.serve(10)); n != 3 {
		t.Fatalf("%d ads for a wallet of 3.5", n)
	}
	s.leases.Fund(1_000_000)
	s.wait(t, 2*time.Second)
	if n := len(s.serve(10)); n != 10 {
		t.Errorf("%d of 10 ads two seconds after the wallet was topped up", n)
	}
}

// TestDryAdGroupsDoNotStarveTheRest: many ad groups whose budgets are used up but
// for a rest bid higher than one that has money. It wins every time, in the first
// request after a tick too, and the trace adds up.
func TestDryAdGroupsDoNotStarveTheRest(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 200, Seed: 41, CPMOnly: true, PerAdvertiser: 1, PerCampaign: 1}, 1_000_000_000)
	for i := range s.tree.AdGroups {
		g := &s.tree.AdGroups[i]
		*g = blank(*g)
		g.Budget, g.BidPrice = 1, 10_000_000+money.Micros(i) // less than an impression
		if i == 0 {
			g.Budget, g.BidPrice = 1_000_000_000, 5_000_000
		}
	}
	s.publish(t)
	var req Request
	var resp Response
	var tr Trace
	for round := range 5 {
		for i := range 10 {
			s.request(i, 1, &req)
			s.engine.Explain(&req, &resp, &tr)
			if len(resp.Ads) != 1 || resp.Ads[0].Creative.AdGroup != s.tree.AdGroups[0].ID {
				t.Fatalf("round %d, request %d: %d ads, %s", round, i, len(resp.Ads), resp.Reason)
			}
			_, matched, outcomes := tr.Counts()
			sum := 0
			for _, n := range outcomes {
				sum += n
			}
			if sum != matched || outcomes[ReasonNone] != 1 {
				t.Fatalf("round %d, request %d: %d matched, outcomes %v", round, i, matched, outcomes)
			}
			if refused := s.engine.Stats().Lost[ReasonBudget].Load(); i > 0 && refused == 0 {
				t.Fatal("nobody was refused: the test tests nothing")
			}
		}
		s.wait(t, time.Second)
	}
	dry := 0
	for _, g := range *s.treasurer.groups.Load() {
		if g.dry.Load() != 0 {
			dry++
		}
	}
	if dry < 150 {
		t.Errorf("%d of 199 ad groups without money stay out after a tick", dry)
	}
}

// TestTheRestOfABudgetBuysACheaperSlot: what was refused at a high price is
// offered again after some seconds, because prices come down.
func TestTheRestOfABudgetBuysACheaperSlot(t *testing.T) {
	s, _ := lone(t, 3_500, 1_000_000_000)
	s.engine.cfg.Market.Floor = 3_000_000
	if n := len(s.serve(5)); n != 1 {
		t.Fatalf("%d ads at 3 mills", n)
	}
	s.engine.cfg.Market.Floor = 400_000
	s.wait(t, 40*time.Second)
	if n := len(s.serve(5)); n != 1 {
		t.Errorf("%d ads for the rest of the budget, want 1", n)
	}
}

// overLeases says that a later life has begun.
type overLeases struct{ leaseStore }

func (overLeases) GrantLeases(context.Context, uint16, uint32, []ledger.LeaseAsk) ([]ledger.Grant, error) {
	return nil, ledger.ErrLifeOver
}

func (overLeases) RenewLeases(context.Context, uint16, uint32, time.Time) error {
	return ledger.ErrLifeOver
}

// TestI1ALifeThatIsOverBillsNothing: its money is somebody else's now, however
// much of it is still in the Book.
func TestI1ALifeThatIsOverBillsNothing(t *testing.T) {
	s, _ := lone(t, 100_000_000, 1_000_000_000)
	tr, _ := s.track(t)
	tokens := s.serve(2)
	s.treasurer.cfg.Leases = overLeases{s.leases}
	s.treasurer.due.renew = 0
	if err := s.treasurer.Tick(context.Background(), s.clock.Now()); !errors.Is(err, ledger.ErrLifeOver) {
		t.Errorf("the tick says %v", err)
	}
	if n := len(s.serve(1)); n != 0 {
		t.Errorf("%d ads of a life that is over", n)
	}
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: tokens[0]}); r.Status != BeaconFree {
		t.Errorf("an impression of a life that is over: %s", r.Status)
	}
}

// TestALostAnswerIsNoLostMoney: the store granted, its answer did not arrive.
func TestALostAnswerIsNoLostMoney(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 40, CPMOnly: true}, 50_000) // 50 impressions
	s.market.Floor, s.engine.cfg.Market.Floor = 1_000_000, 1_000_000
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	g.Budget, g.BidPrice = 30_000, 10_000_000
	must(t, s.treasurer.Apply(context.Background(), &s.tree, s.clock.Now()))
	s.leases.SetMute(context.DeadlineExceeded)
	for range 3 {
		s.clock.Advance(time.Second)
		if err := s.treasurer.Tick(context.Background(), s.clock.Now()); err == nil {
			t.Fatal("the answer arrived")
		}
	}
	s.leases.SetMute(nil)
	s.publish(t)
	served := len(s.serve(40))
	s.wait(t, 30*time.Second)
	served += len(s.serve(40))
	if served != 30 {
		t.Errorf("%d ads of a budget for 30", served)
	}
}

// TestI1AnAddedLimitCountsWhatIsHeld: a campaign budget set while ads are out
// counts the ads that are shown after it.
func TestI1AnAddedLimitCountsWhatIsHeld(t *testing.T) {
	s, _ := lone(t, 1_000_000, 1_000_000_000)
	tr, d := s.track(t)
	tokens := s.serve(20)
	c := &s.tree.Campaigns[0]
	c.BudgetMode, c.Budget = campaign.BudgetTotal, 12_000 // 12 impressions
	s.publish(t)
	tokens = append(tokens, s.serve(20)...)
	for _, token := range tokens {
		tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
	}
	billed := 0
	for _, r := range records(t, d) {
		if r.Verdict == events.VerdictBilled {
			billed++
		}
	}
	if held, _ := s.account(); held != 0 {
		t.Errorf("%s stay held when every ad was shown", held)
	}
	if billed > 12 || billed < 6 {
		t.Errorf("%d impressions billed of a campaign budget for 12", billed)
	}
	if st, _ := s.treasurer.Pacing(); st.Misused != 0 {
		t.Errorf("%d calls on limits that were not open", st.Misused)
	}
}

// TestASaleInTheFutureDoesNotSilenceTheBooks: an advertiser says when a sale was.
func TestASaleInTheFutureDoesNotSilenceTheBooks(t *testing.T) {
	s, _ := lone(t, 1_000_000, 1_000_000_000)
	tr, d := s.track(t)
	books := &fakeBooks{spent: map[id.AdGroup]money.Sum{}}
	keeper, err := NewBookkeeper(context.Background(), BookkeeperConfig{Clock: s.clock, Stream: d, Books: books})
	must(t, err)
	tokens := s.serve(2)
	for i, token := range tokens {
		tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
		sale := Conversion{Advertiser: 1, Name: "INSTALL", EventID: fmt.Sprint(i), TimeMS: noon.Add(1000 * time.Hour).UnixMilli()}
		tr.Convert(context.Background(), &sale)
		_, err = keeper.Pass(context.Background())
		must(t, err)
	}
	if got := books.spent[s.tree.AdGroups[0].ID]; got != money.SumOf(2*s.market.Floor) {
		t.Errorf("%s booked, want two impressions of %s", got, s.market.Floor)
	}
}

// TestOneBrokenAdGroupDoesNotStopEdits: it is left out and the others go on.
func TestOneBrokenAdGroupDoesNotStopEdits(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 40, Seed: 42, CPMOnly: true, PerAdvertiser: 1, PerCampaign: 1}, 1_000_000_000)
	s.tree.Advertisers[3].Zone = "Nowhere/Atlantis"
	s.tree.AdGroups[7].Campaign = 99_999
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	must(t, s.treasurer.Apply(context.Background(), &s.tree, s.clock.Now()))
	snap, err := Build(&s.tree, &s.market, s.treasurer, learner.Publish(1), s.clock.Now())
	must(t, err)
	if s.treasurer.LeftOut() == nil || snap.leftOut == nil || snap.AdGroups() < 30 {
		t.Errorf("%d ad groups; left out: %v; %v", snap.AdGroups(), s.treasurer.LeftOut(), snap.leftOut)
	}
	if snap.inactive[s.tree.AdGroups[7].ID] != ReasonUnsupported {
		t.Error("the ad group without a campaign is not named")
	}
}

// stuckLeases never answers until the caller stops waiting.
type stuckLeases struct{ leaseStore }

type leaseStore = Leases // its own name would hide its method of that name

func (stuckLeases) GrantLeases(ctx context.Context, _ uint16, _ uint32, _ []ledger.LeaseAsk) ([]ledger.Grant, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestARedirectDoesNotWaitForTheStore: a click whose lease has run dry goes to its
// page at once although the store hangs, and even while a tick waits for it.
func TestARedirectDoesNotWaitForTheStore(t *testing.T) {
	s, g := lone(t, 100_000_000, 1_000_000_000)
	g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalClick, campaign.CPC, 9_000_000
	s.publish(t)
	tr, _ := s.track(t)
	tokens := s.serve(2)
	for _, l := range s.treasurer.order {
		s.treasurer.book.TakeBack(l.id, pacing.DayKey(noon, l.zone.loc), money.MaxNanos)
		s.treasurer.again = append(s.treasurer.again, l)
	}
	s.treasurer.cfg.Leases = stuckLeases{s.leases}
	ctx, cancel := context.WithCancel(context.Background())
	ticked := make(chan error)
	go func() { ticked <- s.treasurer.Tick(ctx, s.clock.Now().Add(time.Minute)) }()
	for _, token := range tokens {
		began := time.Now()
		r := tr.ClickRedirect(context.Background(), token)
		if took := time.Since(began); r.Redirect == "" || took > 500*time.Millisecond {
			t.Errorf("redirect %q after %s", r.Redirect, took)
		}
	}
	cancel()
	if err := <-ticked; err == nil {
		t.Error("the tick did not wait: the test tests nothing")
	}
}

// TestTheDayBeforeIsGivenBack: the unspent leases of days that are over go back to
// the store, so that they are neither renewed for ever nor found by the next life.
func TestTheDayBeforeIsGivenBack(t *testing.T) {
	s, g := lone(t, 1_000_000, 1_000_000_000)
	first := pacing.DayKey(s.clock.Now(), mustZone(t, s.tree.Advertisers[0].Zone))
	at := func() money.Sum {
		return s.leases.Outstanding(ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(g.ID), Day: first})
	}
	if at().Sign() <= 0 {
		t.Fatal("nothing was leased for the first day")
	}
	for range 5 * 24 * 6 {
		s.pass(10 * time.Minute)
		must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
		if len(s.serve(1)) != 1 {
			t.Fatalf("no ad at %s", s.clock.Now())
		}
		s.treasurer.Sweep(s.clock.Now())
	}
	if at().Sign() != 0 {
		t.Errorf("%s of the first day are still leased", at())
	}
}

// TestAClockSetBack does not put off what was planned by the later clock.
func TestAClockSetBack(t *testing.T) {
	s, _ := lone(t, 100_000_000, 3_500)
	s.clock.Advance(5 * time.Hour)
	must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
	s.serve(10)
	s.wait(t, 2*time.Second)
	s.clock.Advance(-5 * time.Hour)
	s.leases.Fund(1_000_000)
	s.wait(t, 2*time.Second)
	if n := len(s.serve(1)); n != 1 {
		t.Errorf("%d ads after the clock was set back and the wallet topped up", n)
	}
	if in := s.treasurer.due.renew - s.treasurer.steady.ms(); in > 2*time.Minute.Milliseconds() {
		t.Errorf("leases are renewed in %d ms", in)
	}
	local := s.clock.Now().In(mustZone(t, s.tree.Advertisers[0].Zone))
	s.serve(1)
	if got := s.engine.cal.Load().halfHour[0] % 48; got != uint16(local.Hour()*2+local.Minute()/30) {
		t.Errorf("the calendar is at half-hour %d, it is %s", got, local)
	}
}

// TestEachWeekdayHasItsHours: the shape of the traffic follows the dayparting of
// the day, not that of the day when the ad group was last edited.
func TestEachWeekdayHasItsHours(t *testing.T) {
	zone := time.UTC
	hours := []byte(targeting.Dayparting{}.String())
	for i := range hours {
		hours[i] = '0'
	}
	for h := range 8 {
		hours[1*48+40+h] = '1' // Tuesday evening
		hours[2*48+h] = '1'    // Wednesday, from midnight
	}
	s, g := lone(t, 100_000_000, 1_000_000_000)
	s.tree.Advertisers[0].Zone = zone.String()
	g.Pacing, g.Dayparting = campaign.PacingSmooth, string(hours)
	s.treasurer.limits, s.treasurer.order = map[limitKey]*limit{}, nil
	s.publish(t)
	s.clock.Set(time.Date(2026, 3, 11, 2, 0, 0, 0, zone))
	must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
	for _, l := range s.treasurer.order {
		if l.key.kind == ledger.AdGroupDay {
			if got := l.period.elapsed(s.clock.Now()); got != money.One/2 {
				t.Errorf("%d ppb of Wednesday's open hours have passed at 2:00, want half", got)
			}
			return
		}
	}
	t.Error("there is no daily limit")
}

// TestI9WithoutRoomForTokens: winners whose tokens cannot be remembered are not
// in the answer, and the trace says so.
func TestI9WithoutRoomForTokens(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 43, CPMOnly: true}, 1_000_000_000)
	small, err := pacing.NewHolds(pacing.HoldsConfig{Capacity: 4})
	must(t, err)
	s.treasurer.holds = small
	var req Request
	var resp Response
	var tr Trace
	overload := 0
	for i := range 50 {
		s.request(i, 3, &req)
		s.engine.Explain(&req, &resp, &tr)
		_, matched, outcomes := tr.Counts()
		sum := 0
		for _, n := range outcomes {
			sum += n
		}
		overload += outcomes[ReasonOverload]
		if sum != matched || outcomes[ReasonNone] != len(resp.Ads) {
			t.Fatalf("request %d: %d matched, outcomes %v, %d placed", i, matched, outcomes, len(resp.Ads))
		}
	}
	if overload == 0 {
		t.Error("there was room: the test tests nothing")
	}
}

// TestALostConversionMayBeRepeated: the diary accepted it and lost it.
func TestALostConversionMayBeRepeated(t *testing.T) {
	s, _ := lone(t, 1_000_000, 1_000_000_000)
	tr, d := s.track(t)
	sale := Conversion{Advertiser: 1, Name: "INSTALL", EventID: "7", TimeMS: noon.UnixMilli()}
	if r := tr.Convert(context.Background(), &sale); r.Status != BeaconFree {
		t.Fatal(r.Status)
	}
	rec := records(t, d)[0]
	tr.Undo(&rec)
	if r := tr.Convert(context.Background(), &sale); r.Status != BeaconFree {
		t.Errorf("the repeat of a lost conversion: %s", r.Status)
	}
}

// TestALossNoticeForTheFeed does not give the money of a feed ad away.
func TestALossNoticeForTheFeed(t *testing.T) {
	s, _ := lone(t, 3_000, 1_000_000_000)
	tr, _ := s.track(t)
	tokens := s.serve(5)
	tr.Confirm(context.Background(), &Beacon{Signal: SignalLoss, Token: tokens[0]})
	s.wait(t, time.Second)
	if n := len(s.serve(5)); len(tokens) != 3 || n != 0 {
		t.Errorf("%d ads, and %d more after a loss notice for a slot of the feed", len(tokens), n)
	}
}

var errAway = errors.New("away")

// TestReturnsAreRepeated: a smaller budget is in force at once; what it frees is
// given back when the store is there again.
func TestReturnsAreRepeated(t *testing.T) {
	s, g := lone(t, 100_000, 1_000_000_000)
	limit := ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(g.ID), Day: pacing.DayKey(noon, mustZone(t, s.tree.Advertisers[0].Zone))}
	away := &awayReturns{leaseStore: s.leases, err: errAway}
	s.treasurer.cfg.Leases = away
	g.Budget = 1
	must(t, s.treasurer.Apply(context.Background(), &s.tree, s.clock.Now()))
	if err := s.treasurer.Tick(context.Background(), s.clock.Now()); !errors.Is(err, errAway) {
		t.Fatalf("%v, want the store's error", err)
	}
	if n := len(s.serve(3)); n != 0 {
		t.Errorf("%d ads on a budget of a millionth", n)
	}
	away.err = nil
	s.wait(t, time.Second)
	if left := s.leases.Outstanding(limit); left.Cmp(g.Budget.Sum()) > 0 {
		t.Errorf("%s of a budget of %s are leased", left, g.Budget.Sum())
	}
}

type awayReturns struct {
	leaseStore
	err error
}

func (a *awayReturns) ReturnLeases(ctx context.Context, node uint16, generation uint32, back []ledger.LeaseReturn) error {
	if a.err != nil {
		return a.err
	}
	return a.leaseStore.ReturnLeases(ctx, node, generation, back)
}
