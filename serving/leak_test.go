package serving

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/money"
	"mazad/pacing"
)

// account adds up what is held and billed in every limit and day that is open.
func (s *stage) account() (held money.Nanos, billed money.Sum) {
	for _, l := range s.treasurer.order {
		for _, d := range l.days {
			if t, ok := s.treasurer.book.Snapshot(l.id, d.day); ok {
				held, billed = held+t.Held, billed.Add(t.Billed)
			}
		}
	}
	return held, billed
}

// settled fails when money is held or a frequency reservation is open although
// every token has expired.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	s.pass(holdLifetime + time.Second)
	if held, _ := s.account(); held != 0 {
		t.Errorf("%s are held for tokens that have expired", held)
	}
	f := s.engine.cfg.Frequency.Stats()
	if open := f.Reserved.Load() - f.Committed.Load() - f.Released.Load(); open != 0 {
		t.Errorf("%d of %d frequency reservations are neither committed nor released", open, f.Reserved.Load())
	}
	if st, _ := s.treasurer.Pacing(); st.Misused != 0 {
		t.Errorf("%d calls on limits that were not open", st.Misused)
	}
}

// TestNothingStaysHeld: whatever becomes of a token, its money and its frequency
// reservation end.
func TestNothingStaysHeld(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 300, Seed: 50}, 20_000_000)
	for i := range s.tree.AdGroups {
		g := &s.tree.AdGroups[i]
		g.Frequency, g.FrequencyDays = 1+i%3, 1+i%7
		g.Budget = money.Micros(20_000 + i*977%300_000)
	}
	s.publish(t)
	broken := &brokenLog{}
	tr := s.trackInto(t, broken)
	rng := rand.New(rand.NewPCG(50, 1))
	var req Request
	var resp Response
	for i := range 3000 {
		s.request(rng.IntN(100), 1+rng.IntN(3), &req)
		req.Test = i%10 == 0
		if i%3 == 0 {
			req.Door = DoorOpenRTB
		}
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			for range rng.IntN(4) { // the diary is away: every verdict is taken back
				tr.judge(context.Background(), new(beaconWork), &Beacon{Signal: Signal(rng.IntN(SignalCount)), Token: p.Token})
			}
		}
		s.clock.Advance(time.Duration(rng.IntN(3000)) * time.Millisecond)
		s.treasurer.Sweep(s.clock.Now())
		must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
		if i%500 == 250 {
			c := &s.tree.Campaigns[rng.IntN(len(s.tree.Campaigns))]
			c.BudgetMode, c.Budget = campaign.BudgetTotal, 10_000
			s.publish(t)
		}
	}
	if f := s.engine.cfg.Frequency.Stats(); f.Committed.Load() < 100 || f.Released.Load() < 100 || tr.Stats().Undone.Load() < 100 {
		t.Errorf("%d committed, %d released, %d undone: the test tests little", f.Committed.Load(), f.Released.Load(), tr.Stats().Undone.Load())
	}
	s.settled(t)
	if _, billed := s.account(); billed.Sign() != 0 && s.treasurer.Stats().Unrefunded.Load() == 0 {
		t.Errorf("%s billed by verdicts that were all taken back", billed)
	}
}

// TestALimitThatRefusesLeavesTheOthersAlone: a click that one limit refuses gives
// back what the limits that an edit has added had set aside, and the other way
// round.
func TestALimitThatRefusesLeavesTheOthersAlone(t *testing.T) {
	for _, newOneRefuses := range []bool{false, true} {
		s, g := lone(t, 100_000_000, 1_000_000_000)
		g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalClick, campaign.CPC, 9_000_000
		s.publish(t)
		tr, _ := s.track(t)
		token := s.serve(1)[0]
		c := &s.tree.Campaigns[0]
		c.BudgetMode, c.Budget = campaign.BudgetTotal, 50_000_000
		s.publish(t)
		for _, l := range s.treasurer.order {
			if (l.key.owner == int64(c.ID) && !l.key.kind.Daily()) == newOneRefuses {
				s.treasurer.book.TakeBack(l.id, l.on(l.zone.today), money.MaxNanos)
			}
		}
		s.leases.SetAway(context.DeadlineExceeded)
		if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalClick, Token: token}); r.Status != BeaconFree {
			t.Errorf("the click is %s, want free", r.Status)
		}
		if held, billed := s.account(); held != 0 || billed.Sign() != 0 {
			t.Errorf("new limit refuses: %v: %s held, %s billed", newOneRefuses, held, billed)
		}
	}
}

// TestALostAuctionFreesItsMoney at once, and an expected click some minutes later.
func TestALostAuctionFreesItsMoney(t *testing.T) {
	s, g := lone(t, 100_000_000, 1_000_000_000)
	tr, _ := s.track(t)
	_, token := s.serveOne(t, "CPM", DoorOpenRTB)
	if held, _ := s.account(); held == 0 {
		t.Fatal("nothing is held")
	}
	tr.Confirm(context.Background(), &Beacon{Signal: SignalLoss, Token: token})
	if held, _ := s.account(); held != 0 {
		t.Errorf("%s are held after the auction was lost", held)
	}
	g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalClick, campaign.CPC, 9_000_000
	s.publish(t)
	s.serve(1)
	if held, _ := s.account(); held == 0 {
		t.Fatal("nothing is held for a click")
	}
	s.pass(defaultDelay + time.Second)
	if held, _ := s.account(); held != 0 {
		t.Errorf("%s are held for a click that did not come", held)
	}
}

// TestTheNextDayIsReadyAtMidnight: the first request of a day finds its budget,
// and the spend of the day before counts no longer.
func TestTheNextDayIsReadyAtMidnight(t *testing.T) {
	s, _ := lone(t, 3_500, 1_000_000_000)
	if n := len(s.serve(5)); n != 3 {
		t.Fatalf("%d ads on a budget for 3.5", n)
	}
	midnight := pacing.DayAt(noon, mustZone(t, s.tree.Advertisers[0].Zone)).End
	s.clock.Set(midnight.Add(-10 * time.Second))
	s.wait(t, 9*time.Second)
	s.clock.Set(midnight) // no tick since
	if n := len(s.serve(5)); n != 0 {
		t.Errorf("%d ads before the tick readmits: dry ad groups wait for it", n)
	}
	s.treasurer.readmit(midnight)
	if n := len(s.serve(5)); n != 3 {
		t.Errorf("%d ads on the new day's budget for 3.5", n)
	}
}

// TestATestRequestCostsNothing: it is decided and tracked, never held or billed.
func TestATestRequestCostsNothing(t *testing.T) {
	s, _ := lone(t, 100_000_000, 1_000_000_000)
	tr, d := s.track(t)
	var req Request
	var resp Response
	s.request(0, 1, &req)
	req.Test = true
	s.engine.Decide(&req, &resp)
	if held, _ := s.account(); len(resp.Ads) != 1 || held != 0 {
		t.Fatalf("%d ads, %s held", len(resp.Ads), held)
	}
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: resp.Ads[0].Token}); r.Status != BeaconFree {
		t.Errorf("the impression of a test is %s", r.Status)
	}
	if r := records(t, d)[0]; r.BilledNanos != 0 || r.Reason != events.ReasonTest {
		t.Errorf("recorded: %s billed, reason %d", r.BilledNanos, r.Reason)
	}
}

// TestARefusedWinnerFreesTheOthers: the second winner's hold is refused, the
// auction is run again, and the first winner holds once.
func TestARefusedWinnerFreesTheOthers(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2, Seed: 51, CPMOnly: true, PerAdvertiser: 1, PerCampaign: 1}, 1_000_000_000)
	for i := range s.tree.AdGroups {
		g := &s.tree.AdGroups[i]
		*g = blank(*g)
		g.Budget, g.BidPrice = 100_000_000, 9_000_000
		if i == 1 {
			g.Budget, g.BidPrice = 1, 5_000_000
		}
		g.Frequency, g.FrequencyDays = 9, 1
	}
	s.publish(t)
	var req Request
	var resp Response
	s.request(0, 2, &req)
	s.engine.Decide(&req, &resp)
	held, _ := s.account()
	if limits := money.Nanos(2); len(resp.Ads) != 1 || held != limits*resp.Ads[0].Price {
		t.Errorf("%d ads, %s held in two limits", len(resp.Ads), held)
	}
	if s.engine.Stats().Lost[ReasonBudget].Load() != 1 {
		t.Error("no hold was refused: the test tests nothing")
	}
	s.settled(t)
}
