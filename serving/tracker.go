package serving

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
)

// Log is the durable stream of the money records.
type Log interface {
	// Enqueue takes a record without waiting; the ticket resolves when it is on
	// disk.
	Enqueue(records ...*events.Record) (diary.Ticket, error)
}

// TrackerConfig is what a Tracker works with.
type TrackerConfig struct {
	Clock       clock.Clock
	Sealer      *events.Sealer
	Used        *events.Used
	Log         Log
	Treasurer   *Treasurer
	Users       Users               // nil: conversions are not matched by user
	Attribution *events.Attribution // nil: conversions are recorded unattributed
	Region      uint8
	Partition   uint16
}

// Tracker judges what comes back from devices: it verifies the token, refuses
// repeats, gives the verdict against this partition's lease and answers when
// the record is on disk. It implements Confirmer and may be used from any
// goroutine.
type Tracker struct {
	cfg     TrackerConfig
	serial  atomic.Uint64
	pool    sync.Pool
	stats   TrackerStats
	convert sync.Mutex // owns cfg.Attribution
}

// clickWait bounds how long a redirect waits for the disk.
const clickWait = 50 * time.Millisecond

// beaconWork is the memory of one beacon.
type beaconWork struct {
	token  events.Token
	record events.Record
}

// NewTracker returns a Tracker.
func NewTracker(cfg TrackerConfig) (*Tracker, error) {
	if cfg.Clock == nil || cfg.Sealer == nil || cfg.Used == nil || cfg.Log == nil || cfg.Treasurer == nil {
		return nil, fmt.Errorf("serving: Clock, Sealer, Used, Log and Treasurer are required")
	}
	t := &Tracker{cfg: cfg}
	t.pool.New = func() any { return new(beaconWork) }
	return t, nil
}

// Stats are the tracker's counters.
func (t *Tracker) Stats() *TrackerStats { return &t.stats }

var signalUse = [SignalCount]events.Use{events.UseImpression, events.UseClick, events.UseView, events.UseBill, events.UseWin, events.UseLoss}

var signalKind = [SignalCount]events.Kind{events.KindImpression, events.KindClick, events.KindView, events.KindBill, events.KindWin, events.KindLoss}

// Confirm implements Confirmer.
func (t *Tracker) Confirm(ctx context.Context, b *Beacon) Receipt {
	w := t.pool.Get().(*beaconWork)
	defer t.pool.Put(w)
	r, ticket, waiting := t.judge(ctx, w, b)
	if waiting {
		if err := ticket.Wait(ctx); err != nil {
			r.Status = BeaconOverload // it may still reach the disk; a retry is then a repeat
		}
	}
	t.stats.Beacons[b.Signal][r.Status].Add(1)
	return r
}

// ClickRedirect implements Confirmer.
func (t *Tracker) ClickRedirect(ctx context.Context, token []byte) Receipt {
	ctx, cancel := context.WithTimeout(ctx, clickWait)
	defer cancel()
	return t.Confirm(ctx, &Beacon{Signal: SignalClick, Token: token})
}

// judge opens the token, gives the verdict and queues the record. waiting is
// false when there is nothing to wait for.
func (t *Tracker) judge(ctx context.Context, w *beaconWork, b *Beacon) (r Receipt, ticket diary.Ticket, waiting bool) {
	now := t.cfg.Clock.Now()
	tok, use := &w.token, signalUse[b.Signal]
	state := t.cfg.Sealer.Open(tok, b.Token, use, now.UnixMilli())
	t.stats.Tokens[state].Add(1)
	if !state.Authentic() {
		r.Status = BeaconForged
		return r, ticket, false
	}
	if b.Signal == SignalClick {
		r.Redirect = withClickID(tok.Destination, b.Token)
	}
	if state == events.StateExpired {
		r.Status = BeaconExpired
		return r, ticket, false
	}
	if !t.cfg.Used.MarkOnce(tok.ID, use, tok.AuctionMS()) {
		r.Status = BeaconRepeat
		return r, ticket, false
	}
	rec := &w.record
	rec.Reset()
	tok.Fill(rec)
	rec.ID = id.MakeEvent(now.UnixMilli(), t.cfg.Region, t.cfg.Partition, t.serial.Add(1))
	rec.Kind, rec.TimeMS, rec.LossCode = signalKind[b.Signal], now.UnixMilli(), b.LossCode
	t.verdict(ctx, rec, tok, b)
	r.EventID, r.Status = rec.ID, BeaconFree
	if rec.Verdict == events.VerdictBilled {
		r.Status = BeaconBilled
	}
	ticket, err := t.cfg.Log.Enqueue(rec)
	if err != nil {
		t.Undo(rec)
		r.Status, r.EventID = BeaconOverload, id.Event{}
		return r, ticket, false
	}
	t.noteClick(rec)
	return r, ticket, true
}

// verdict decides, once, whether the event is billed and what it costs.
func (t *Tracker) verdict(ctx context.Context, rec *events.Record, tok *events.Token, b *Beacon) {
	rec.Verdict, rec.Reason = events.VerdictFree, events.ReasonNotBillable
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

// Undo takes back what a verdict did, because its record certainly is not on
// disk: the diary refused it, or lost it before it was acknowledged.
func (t *Tracker) Undo(rec *events.Record) {
	t.stats.Undone.Add(1)
	if use, ok := rec.TokenUse(); ok {
		t.cfg.Used.Unmark(rec.Token, use, rec.AuctionMS)
	}
	if rec.Verdict == events.VerdictBilled {
		t.cfg.Treasurer.refund(rec)
	}
	if rec.Kind == events.KindConversion { // the sender was told to repeat it
		t.forget(rec.Advertiser, rec.Conversion.Name, rec.Conversion.EventID)
	}
}

// withClickID appends our click id to the destination.
func withClickID(destination, token []byte) string {
	b := make([]byte, 0, len(destination)+len(token)+len(clickParam)+2)
	fragment := []byte(nil)
	for i, c := range destination {
		if c == '#' {
			destination, fragment = destination[:i], destination[i:]
			break
		}
	}
	b = append(b, destination...)
	sep := byte('?')
	for _, c := range destination {
		if c == '?' {
			sep = '&'
			break
		}
	}
	b = append(append(b, sep), clickParam...)
	b = append(append(b, '='), token...)
	return string(append(b, fragment...))
}

// clickParam is the query parameter that carries our click id to the landing
// page, as ttclid and fbclid do elsewhere.
const clickParam = "mzclid"
