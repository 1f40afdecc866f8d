package serving

import (
	"context"
	"time"

	"mazad/events"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

// legacy is what earlier lives of this node may still be billed: their leases,
// each a limit of its own in the Book. It is filled once, when the Treasurer
// opens; the map is never changed after that.
type legacy struct {
	limits  map[legacyKey]pacing.LimitID
	expires map[uint32]time.Time // by generation
}

type legacyKey struct {
	generation uint32
	limit      ledger.Limit
}

func (t *Treasurer) openLegacy(ctx context.Context) error {
	t.legacy = legacy{limits: map[legacyKey]pacing.LimitID{}, expires: map[uint32]time.Time{}}
	leases, err := t.cfg.Leases.Leases(ctx)
	if err != nil {
		return err
	}
	for _, l := range leases {
		left := l.Outstanding().Clamp()
		if l.Node != t.cfg.Node || l.Generation == t.cfg.Generation || left == 0 {
			continue
		}
		id, err := t.book.AddTotal()
		if err != nil { // its tokens are delivered free; refusing to start would cost more
			t.stats.LegacyLost.Add(1)
			continue
		}
		t.book.Grant(id, 0, left)
		t.legacy.limits[legacyKey{l.Generation, l.Limit}] = id
		if l.ExpiresAt.After(t.legacy.expires[l.Generation]) {
			t.legacy.expires[l.Generation] = l.ExpiresAt
		}
	}
	return nil
}

// commitLegacy bills a token of an earlier life against that life's lease, while
// it lasts; after that the event is free.
func (t *Treasurer) commitLegacy(tok *events.Token, price money.Nanos) (money.Nanos, events.Reason) {
	g := t.state(tok.AdGroup)
	if g == nil || g.chain.Load() == nil || !t.cfg.Clock.Now().Add(settleTime).Before(t.legacy.expires[tok.ID.Generation]) {
		t.stats.FreeOld.Add(1)
		return 0, events.ReasonPreviousLife
	}
	now := *g.chain.Load()
	owners := [...]struct {
		place int
		limit ledger.Limit
	}{
		{pacing.AdGroupDay, ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(tok.AdGroup), Day: tok.Day}},
		{pacing.AdGroupTotal, ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: int64(tok.AdGroup)}},
		{pacing.CampaignDay, ledger.Limit{Kind: ledger.CampaignDay, Owner: int64(tok.Campaign), Day: tok.Day}},
		{pacing.CampaignTotal, ledger.Limit{Kind: ledger.CampaignLifetime, Owner: int64(tok.Campaign)}},
		{pacing.AdvertiserTotal, ledger.Limit{Kind: ledger.AdvertiserCap, Owner: int64(tok.Advertiser)}},
		{pacing.Wallet, ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(tok.Advertiser)}},
	}
	var chain pacing.Chain
	for _, o := range owners {
		id, leased := t.legacy.limits[legacyKey{tok.ID.Generation, o.limit}]
		if !leased && now[o.place] != 0 {
			t.stats.FreeOld.Add(1)
			return 0, events.ReasonPreviousLife
		}
		chain[o.place] = id
	}
	if billed := t.book.Commit(&chain, tok.Day, 0, price); billed == price {
		return billed, events.ReasonNone
	}
	t.stats.FreeLimit.Add(1)
	return 0, events.ReasonOverLimit
}
