package serving

import (
	"testing"

	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/internal/money"
	"mazad/pacing"
)

// broke is a corridor in which every ad group matches everybody and can pay for
// no impression.
func broke(t *testing.T, n int) *stage {
	t.Helper()
	s := newStage(t, campaigntest.Options{AdGroups: n, Seed: 3, CPMOnly: true}, 1_000_000_000_000)
	for i := range s.tree.AdGroups {
		g := &s.tree.AdGroups[i]
		*g = blank(*g)
		g.BidPrice, g.Budget = money.Micros(50_000_000+i), 1000
	}
	s.publish(t)
	return s
}

// TestRefusalsAreBoundedInARequest: the slots that an exchange sells one by one share
// the bound of refused holds, and no ad group is refused the same hold twice.
func TestRefusalsAreBoundedInARequest(t *testing.T) {
	for _, n := range []int{200, maxRefusals + 200} {
		s, log := broke(t, n), &kept{}
		s.engine.cfg.Replays, s.engine.cfg.Sample = log, money.One
		var req Request
		var resp Response
		s.request(0, MaxSlots, &req)
		req.Door = DoorOpenRTB
		s.engine.Decide(&req, &resp)
		st, _ := s.treasurer.Pacing()
		holds := uint64(0)
		for _, k := range st.Refused {
			holds += k
		}
		if want := uint64(min(n, maxRefusals)); holds > want+MaxSlots || holds < want {
			t.Errorf("%d ad groups without money in %d slots: %d holds were refused, want about %d", n, MaxSlots, holds, want)
		}
		if len(resp.Ads) != 0 || resp.Reason != ReasonBudget {
			t.Errorf("%d ads, reason %s", len(resp.Ads), resp.Reason)
		}
		rec, err := ParseRecording(log.bodies[0])
		must(t, err)
		again, err := Replay(rec, &s.tree)
		must(t, err)
		if diff := rec.Differences(again); diff != nil {
			t.Errorf("replayed: %q", diff)
		}
	}
}

// TestNobodyIsOutbidByNobody: an answer is empty because of the floor, or because
// pacing left nothing, not because of others.
func TestNobodyIsOutbidByNobody(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 30, Seed: 3, CPMOnly: true}, 1_000_000_000_000)
	for i := range s.tree.AdGroups {
		g := &s.tree.AdGroups[i]
		*g = blank(*g)
		g.BidPrice, g.Budget, g.BudgetMode = 1_000_000, 1_000_000_000, campaign.BudgetDay
	}
	s.publish(t)
	ask := func(floor money.Nanos, want Reason) {
		t.Helper()
		var req Request
		var resp Response
		s.request(0, 1, &req)
		req.Slots[0].Floor = floor
		before := s.engine.Stats().Lost[ReasonOutbid].Load()
		s.engine.Explain(&req, &resp, new(Trace))
		if resp.Reason != want || len(resp.Ads) != 0 {
			t.Errorf("floor %s: %d ads, reason %s, want none for %s", floor, len(resp.Ads), resp.Reason, want)
		}
		if n := s.engine.Stats().Lost[ReasonOutbid].Load() - before; n != 0 {
			t.Errorf("floor %s: %d were outbid", floor, n)
		}
	}
	ask(1<<40, ReasonFloor)
	for _, state := range s.engine.Snapshot().states {
		state.pace.Store(0)
	}
	ask(0, ReasonPacing)
}

// TestAWinnerWithoutRoomIsOverload: an answer is empty because there was no room for
// the winner's token, and not because the others lost to it.
func TestAWinnerWithoutRoomIsOverload(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 30, Seed: 3, CPMOnly: true}, 1_000_000_000_000)
	for i := range s.tree.AdGroups {
		s.tree.AdGroups[i] = blank(s.tree.AdGroups[i])
	}
	s.publish(t)
	holds, err := pacing.NewHolds(pacing.HoldsConfig{Capacity: 1})
	must(t, err)
	s.treasurer.holds = holds
	var req Request
	var resp Response
	for i := range 10_000 {
		s.request(i, 1, &req)
		s.engine.Decide(&req, &resp)
		if len(resp.Ads) == 0 {
			if resp.Reason != ReasonOverload {
				t.Errorf("request %d is empty for %s", i, resp.Reason)
			}
			return
		}
	}
	t.Error("there was room for everything")
}
