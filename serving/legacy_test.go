package serving

import (
	"context"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
	"mazad/serving/servingtest"
)

// TestWhatAnEarlierLifeMayNotBill: a token is billed against the leases of its own
// life and node, while they last, and only if every limit of today was leased.
func TestWhatAnEarlierLifeMayNotBill(t *testing.T) {
	f := func(name string, want BeaconStatus, change func(s *stage, leases []ledger.Lease)) {
		t.Helper()
		s, g := lone(t, 100_000_000, 1_000_000_000)
		token := s.serve(1)[0]
		day := pacing.DayKey(noon, mustZone(t, s.tree.Advertisers[0].Zone))
		leases := []ledger.Lease{
			{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(g.ID), Day: day}},
			{Limit: ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(g.Advertiser)}},
		}
		for i := range leases {
			leases[i].Generation, leases[i].Granted, leases[i].ExpiresAt = 7, money.SumOf(s.market.Floor), noon.Add(leaseLifetime)
		}
		change(s, leases)
		next := servingtest.NewLeases(1_000_000_000)
		next.Earlier(leases...)
		var err error
		s.treasurer, err = OpenTreasurer(context.Background(), TreasurerConfig{Clock: s.clock, Leases: next, Frequency: s.engine.cfg.Frequency, Generation: 8, MaxHolds: 1024})
		must(t, err)
		s.publish(t)
		tr, _ := s.track(t)
		if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token}); r.Status != want {
			t.Errorf("%s: %s, want %s", name, r.Status, want)
		}
	}
	f("in time", BeaconBilled, func(*stage, []ledger.Lease) {})
	f("used up", BeaconFree, func(_ *stage, l []ledger.Lease) { l[0].Spent = l[0].Granted.AddNanos(-1) })
	f("of another node", BeaconFree, func(_ *stage, l []ledger.Lease) { l[1].Node = 5 })
	f("of another life", BeaconFree, func(_ *stage, l []ledger.Lease) { l[0].Generation = 6 })
	f("about to expire: it could not be posted in time", BeaconFree, func(s *stage, l []ledger.Lease) {
		l[0].ExpiresAt, l[1].ExpiresAt = noon.Add(settleTime-time.Second), noon.Add(settleTime-time.Second)
	})
	f("a limit of today that was not leased", BeaconFree, func(s *stage, _ []ledger.Lease) {
		s.tree.Campaigns[0].BudgetMode, s.tree.Campaigns[0].Budget = campaign.BudgetTotal, 1_000_000
	})
}
