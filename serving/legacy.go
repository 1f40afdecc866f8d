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
// each a limit of its own in the Book. The maps are never changed; when the time
// of the last life is up, what it did not bill goes back to the store.
type legacy struct {
	limits  map[legacyKey]*legacyLimit
	expires map[uint32]time.Time // by generation, of the wall clock
	emptied map[uint32]bool      // owned by the Treasurer's mutex
}

type legacyKey struct {
	generation uint32
	limit      ledger.Limit
}

type legacyLimit struct {
	account // owned by the Treasurer's mutex
	id      pacing.LimitID
}

func (t *Treasurer) openLegacy(ctx context.Context) error {
	old := &legacy{limits: map[legacyKey]*legacyLimit{}, expires: map[uint32]time.Time{}, emptied: map[uint32]bool{}}
	t.legacy.Store(old)
	leases, err := t.cfg.Leases.Leases(ctx, t.cfg.Node)
	if err != nil {
		return err
	}
	for _, l := range leases {
		left := l.Outstanding().Clamp()
		if l.Node != t.cfg.Node || l.Generation == t.cfg.Generation || left == 0 {
			continue
		}
		one := &legacyLimit{account: account{leased: l.Granted}}
		if one.id, err = t.book.AddTotal(); err != nil { // its tokens are delivered free; refusing to start would cost more
			t.stats.LegacyLost.Add(1)
			one.leased = one.leased.AddNanos(-left)
			t.queue(l.Generation, l.Limit, &one.account)
			continue
		}
		t.book.Grant(one.id, 0, left)
		old.limits[legacyKey{l.Generation, l.Limit}] = one
		if l.ExpiresAt.After(old.expires[l.Generation]) {
			old.expires[l.Generation] = l.ExpiresAt
		}
	}
	return nil
}

// endLegacy gives back the leases of lives whose longest token has expired. What
// is taken out of the Book cannot be billed, whatever the clock says later.
func (t *Treasurer) endLegacy(now time.Time, ms int64) {
	old := t.legacy.Load()
	if len(old.limits) == 0 {
		return
	}
	open := false
	for generation, expires := range old.expires {
		over := !now.Add(t.life.settle).Before(expires)
		open = open || !over
		if !over || old.emptied[generation] {
			continue
		}
		old.emptied[generation] = true
		for key, l := range old.limits {
			if key.generation == generation {
				l.leased = l.leased.AddNanos(-t.book.TakeBack(l.id, 0, money.MaxNanos))
				l.closed = true
				t.queue(generation, key.limit, &l.account)
			}
		}
	}
	if open {
		return
	}
	if len(t.back) > 0 {
		return // the accounts are still wanted
	}
	// Nobody finds the cells from now on; those who have found them find nothing.
	for _, l := range old.limits {
		t.emptied = append(t.emptied, l.id)
	}
	t.emptiedMS = ms
	t.legacy.Store(&legacy{})
}

// commitLegacy bills a token of an earlier life against that life's lease, while
// it lasts; after that the event is free.
func (t *Treasurer) commitLegacy(tok *events.Token, price money.Nanos) (money.Nanos, events.Reason) {
	old := t.legacy.Load()
	g := t.state(tok.AdGroup)
	if tok.ID.Partition != t.cfg.Node || g == nil || g.chain.Load() == nil ||
		!t.cfg.Clock.Now().Add(t.life.settle).Before(old.expires[tok.ID.Generation]) {
		t.stats.FreeOld.Add(1)
		return 0, events.ReasonPreviousLife
	}
	now := *g.chain.Load()
	week := ledger.WeekOf(tok.Day)
	// The kinds that may stand in a place, the one of today's limit first.
	owners := [...]struct {
		place  int
		limits [2]ledger.Limit
	}{
		{pacing.AdGroupDay, [2]ledger.Limit{{Kind: ledger.AdGroupDay, Owner: int64(tok.AdGroup), Day: tok.Day}}},
		{pacing.AdGroupTotal, [2]ledger.Limit{{Kind: ledger.AdGroupLifetime, Owner: int64(tok.AdGroup)}, {Kind: ledger.AdGroupWeek, Owner: int64(tok.AdGroup), Day: week}}},
		{pacing.CampaignDay, [2]ledger.Limit{{Kind: ledger.CampaignDay, Owner: int64(tok.Campaign), Day: tok.Day}}},
		{pacing.CampaignTotal, [2]ledger.Limit{{Kind: ledger.CampaignLifetime, Owner: int64(tok.Campaign)}, {Kind: ledger.CampaignWeek, Owner: int64(tok.Campaign), Day: week}}},
		{pacing.AdvertiserTotal, [2]ledger.Limit{{Kind: ledger.AdvertiserCap, Owner: int64(tok.Advertiser)}}},
		{pacing.Wallet, [2]ledger.Limit{{Kind: ledger.WalletLimit, Owner: int64(tok.Advertiser)}}},
	}
	var chain pacing.Chain
	for _, o := range owners {
		which := 0
		if now[o.place].Weekly() {
			which = 1
		}
		l := old.limits[legacyKey{tok.ID.Generation, o.limits[which]}]
		if l == nil && now[o.place] != 0 {
			t.stats.FreeOld.Add(1)
			return 0, events.ReasonPreviousLife
		}
		if l == nil { // it has no such limit today; what was leased of it is used up all the same
			l = old.limits[legacyKey{tok.ID.Generation, o.limits[1-which]}]
		}
		if l != nil {
			chain[o.place] = l.id
		}
	}
	if billed := t.book.Commit(&chain, tok.Day, 0, price); billed == price {
		return billed, events.ReasonNone
	}
	t.stats.FreeLimit.Add(1)
	return 0, events.ReasonOverLimit
}
