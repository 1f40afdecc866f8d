package serving

import (
	"context"
	"testing"

	"mazad/campaign/campaigntest"
	"mazad/events"
)

// otherNodes counts what is sent to other nodes.
type otherNodes struct{ n int }

func (a *otherNodes) Beacon(context.Context, uint16, *Beacon) (Receipt, bool) {
	a.n++
	return Receipt{Status: BeaconBilled}, true
}

func (a *otherNodes) Conversion(context.Context, uint16, *Conversion) (Receipt, bool) {
	a.n++
	return Receipt{Status: BeaconFree}, true
}

// TestNoEventGoesRound: what one node sent here is never sent to a third, even if
// the two disagree about whose it is.
func TestNoEventGoesRound(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 71, CPMOnly: true}, 1_000_000_000)
	tr, _ := s.track(t)
	others := &otherNodes{}
	tr.cfg.Homes = others
	_, token := s.serveOne(t, "CPM", DoorFeed)
	tr.cfg.Partition = 9
	for _, relayed := range []bool{false, true} {
		wantB, wantC, wantN := BeaconBilled, BeaconFree, 2
		if relayed {
			wantB, wantC = BeaconOverload, BeaconOverload
		}
		b := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token, Relayed: relayed})
		c := tr.Convert(context.Background(), &Conversion{Name: "BUY", EventID: "1", ClickToken: token, TimeMS: s.clock.Now().UnixMilli(), Relayed: relayed})
		if b.Status != wantB || c.Status != wantC || others.n != wantN {
			t.Errorf("relayed %t: %s and %s, %d sent; want %s and %s, %d", relayed, b.Status, c.Status, others.n, wantB, wantC, wantN)
		}
	}
	if n := tr.Stats().NotHome.Load(); n != 2 {
		t.Errorf("%d counted as not ours, want 2", n)
	}
}

// TestTheTokensOfAnotherNodeTouchNoMoneyHere: whoever stands in for a node that is
// gone has holds with the same numbers, and must not take them for its.
func TestTheTokensOfAnotherNodeTouchNoMoneyHere(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 72, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	_, token := s.serveOne(t, "CPM", DoorFeed)
	tr.cfg.Partition, tr.cfg.Adopted = 9, func(uint16) bool { return true }
	_, before := s.treasurer.Pacing()
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token}); r.Status != BeaconFree {
		t.Errorf("an impression of a node that is gone: %s", r.Status)
	}
	_, after := s.treasurer.Pacing()
	got := records(t, d)
	if after.Held != before.Held || len(got) != 1 || got[0].Reason != events.ReasonAdopted || got[0].BilledNanos != 0 {
		t.Errorf("%d holds, %d before; %+v", after.Held, before.Held, got)
	}
}
