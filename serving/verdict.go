package serving

import (
	"context"
	"sync/atomic"

	"mazad/events"
	"mazad/internal/money"
)

// verdict decides, once, whether the event is billed and what it costs.
func (t *Tracker) verdict(ctx context.Context, rec *events.Record, tok *events.Token, b *Beacon) {
	rec.Verdict, rec.Reason = events.VerdictFree, events.ReasonNotBillable
	if tok.ID.Partition != t.cfg.Partition { // the leases of a node that is gone are nobody's here
		if rec.Reason = events.ReasonAdopted; b.Signal == SignalWin || b.Signal == SignalLoss {
			rec.Verdict, rec.Reason = events.VerdictNone, events.ReasonNone
		}
		return
	}
	switch b.Signal {
	case SignalWin:
		rec.Verdict, rec.Reason = events.VerdictNone, events.ReasonNone
		return
	case SignalLoss:
		rec.Verdict, rec.Reason = events.VerdictNone, events.ReasonNone
		if Door(tok.Door) == DoorOpenRTB { // the feed has no auctions to lose
			t.cfg.Treasurer.lose(tok)
		}
		return
	case SignalImpression:
		t.cfg.Treasurer.shown(tok)
	}
	price, billable := billable(tok, b)
	switch {
	case !billable:
		return
	case tok.Test:
		rec.Reason = events.ReasonTest
		return
	}
	if b.Signal == SignalBill {
		rec.PriceNanos = price
		if !usablePrice(tok, b) {
			rec.Flags |= events.FlagBadPrice
			rec.Reason = events.ReasonBadPrice
			t.stats.BadPrice.Add(1)
		}
	}
	billed, why := t.cfg.Treasurer.commit(ctx, tok, price)
	if why != events.ReasonNone {
		rec.Reason = why
		return
	}
	rec.Verdict, rec.BilledNanos = events.VerdictBilled, billed
	if rec.Flags&events.FlagBadPrice == 0 {
		rec.Reason = events.ReasonNone
	}
}

// billable tells whether this signal is the one that the ad is charged for, and
// the price.
func billable(tok *events.Token, b *Beacon) (money.Nanos, bool) {
	if Door(tok.Door) == DoorOpenRTB {
		if b.Signal != SignalBill {
			return 0, false
		}
		if usablePrice(tok, b) {
			return b.Price, true
		}
		return tok.BidNanos, true
	}
	switch Billing(tok.BillingEvent) {
	case BillingCPM:
		return tok.PriceNanos, b.Signal == SignalImpression
	case BillingCPC:
		return tok.PriceNanos, b.Signal == SignalClick
	case BillingCPV:
		return tok.PriceNanos, b.Signal == SignalView
	}
	return 0, false
}

func usablePrice(tok *events.Token, b *Beacon) bool {
	return b.HasPrice && b.Price >= 0 && b.Price <= tok.BidNanos
}

// refused records that an authentic token was refused. Nobody waits for it and
// nothing depends on it, so a flood of repeats may not fill the disk: one record
// in twenty, and twenty a second; the counters have them all.
func (t *Tracker) refused(w *beaconWork, s Signal, why events.Reason, at int64) {
	t.stats.Verdicts[s][events.VerdictRefused][why].Add(1)
	if !t.refuse.spend(at / 1000) {
		t.stats.RefusedUnwritten.Add(1)
		return
	}
	t.fill(w, at)
	rec := &w.record
	rec.Personal.State = events.PrivacyNone
	rec.Kind, rec.Use, rec.Verdict, rec.Reason = events.KindRefused, signalUse[s], events.VerdictRefused, why
	if _, err := t.cfg.Log.Enqueue(rec); err != nil {
		t.stats.RefusedUnwritten.Add(1)
	}
}

// allowance says how many refusals may be written, in twentieths of one.
type allowance struct {
	credit atomic.Int64
	second atomic.Int64
}

const (
	refusalCost   = 20 // records that must be accepted for one refusal to be written
	refusalsEvery = 20 // refusals a second besides
	allowanceMost = 2000 * refusalCost
)

func (a *allowance) earn() {
	if a.credit.Load() < allowanceMost {
		a.credit.Add(1)
	}
}

func (a *allowance) spend(second int64) bool {
	if last := a.second.Load(); last != second && a.second.CompareAndSwap(last, second) && a.credit.Load() < allowanceMost {
		a.credit.Add(refusalsEvery * refusalCost)
	}
	if a.credit.Add(-refusalCost) < 0 {
		a.credit.Add(refusalCost)
		return false
	}
	return true
}
