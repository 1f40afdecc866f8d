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
	"mazad/internal/failpoint"
	"mazad/internal/id"
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
	Homes       Homes                       // nil: tokens of other partitions cannot be confirmed
	Adopted     func(partition uint16) bool // nil: none; its home is gone and this node stands in for it
	Pending     []PendingClick              // of earlier lives, not delivered yet
}

// Tracker judges what comes back from devices: it verifies the token, sends it
// to its home partition when that is another one, refuses repeats, gives the
// verdict against this partition's lease and answers when the record is on disk.
// It implements Confirmer and may be used from any goroutine.
type Tracker struct {
	cfg     TrackerConfig
	serial  atomic.Uint64
	pool    sync.Pool
	stats   TrackerStats
	flights *flights
	outbox  *outbox
	refuse  allowance
	convert sync.Mutex // owns cfg.Attribution
}

// Where a test ends the process: the verdict is given, its record is queued, a
// conversion is credited.
var (
	afterVerdict = failpoint.New("tracker.after-verdict")
	afterEnqueue = failpoint.New("tracker.after-enqueue")
	afterCredit  = failpoint.New("tracker.after-credit")
)

// clickWait bounds how long a redirect waits for the disk.
const clickWait = 50 * time.Millisecond

// beaconWork is the memory of one beacon.
type beaconWork struct {
	token  events.Token
	record events.Record
	waits  []awaited // of ConfirmAll
}

// NewTracker returns a Tracker.
func NewTracker(cfg TrackerConfig) (*Tracker, error) {
	if cfg.Clock == nil || cfg.Sealer == nil || cfg.Used == nil || cfg.Log == nil || cfg.Treasurer == nil {
		return nil, fmt.Errorf("serving: Clock, Sealer, Used, Log and Treasurer are required")
	}
	t := &Tracker{cfg: cfg, flights: newFlights(), outbox: newOutbox(cfg.Pending)}
	t.refuse.credit.Store(allowanceMost)
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
	r, wait := t.judge(ctx, w, b)
	if wait.fl != nil {
		t.settle(ctx, &r, wait)
	}
	t.stats.Beacons[b.Signal][r.Status].Add(1)
	return r
}

// ConfirmAll implements Confirmer. Tokens of other nodes travel side by side; a
// token that says so and lies is found out there.
func (t *Tracker) ConfirmAll(ctx context.Context, beacons []Beacon, receipts []Receipt) {
	w := t.pool.Get().(*beaconWork)
	defer t.pool.Put(w)
	var away sync.WaitGroup
	w.waits = w.waits[:0]
	for i := range beacons {
		wait := awaited{away: true}
		if home, ok := events.HomeOf(beacons[i].Token); ok && t.foreign(home) {
			away.Go(func() { receipts[i] = t.Confirm(ctx, &beacons[i]) })
		} else {
			receipts[i], wait = t.judge(ctx, w, &beacons[i])
		}
		w.waits = append(w.waits, wait)
	}
	away.Wait()
	for i := range receipts {
		if w.waits[i].away {
			continue // Confirm has counted it
		}
		if w.waits[i].fl != nil {
			t.settle(ctx, &receipts[i], w.waits[i])
		}
		t.stats.Beacons[beacons[i].Signal][receipts[i].Status].Add(1)
	}
	clear(w.waits)
}

// foreign reports whether a token of the partition is judged by another node.
func (t *Tracker) foreign(home uint16) bool {
	return home != t.cfg.Partition && (t.cfg.Adopted == nil || !t.cfg.Adopted(home))
}

// ClickRedirect implements Confirmer.
func (t *Tracker) ClickRedirect(ctx context.Context, token []byte) Receipt {
	ctx, cancel := context.WithTimeout(ctx, clickWait)
	defer cancel()
	return t.Confirm(ctx, &Beacon{Signal: SignalClick, Token: token, hurry: true})
}

// awaited is a verdict whose record is on its way to the disk.
type awaited struct {
	key flightKey
	fl  *flight // nil: there is nothing to wait for

	away bool // of ConfirmAll: judged elsewhere
}

// settle waits until the record of a verdict is on disk.
func (t *Tracker) settle(ctx context.Context, r *Receipt, a awaited) {
	if a.fl.ticket.Wait(ctx) != nil {
		r.Status = BeaconOverload // it may still reach the disk; a retry then waits for it and is a repeat
		return
	}
	t.flights.shard(a.key).land(a.key, a.fl)
}

// judge opens the token and has it judged at home, here or elsewhere.
func (t *Tracker) judge(ctx context.Context, w *beaconWork, b *Beacon) (r Receipt, wait awaited) {
	now := t.cfg.Clock.Now().UnixMilli()
	at := now
	if b.Relayed && b.AtMS > 0 && b.AtMS < now+relaySkew.Milliseconds() {
		at = b.AtMS
	}
	tok, use := &w.token, signalUse[b.Signal]
	state := t.cfg.Sealer.Open(tok, b.Token, use, at)
	t.stats.Tokens[state].Add(1)
	if !state.Authentic() {
		r.Status = BeaconForged
		return r, wait
	}
	if b.Signal == SignalClick {
		r.Redirect = withClickID(tok.Destination, b.Token)
	}
	if Door(tok.Door) != DoorOpenRTB && b.Signal >= SignalBill { // we never gave out such a URL
		t.refused(w, b.Signal, events.ReasonInvalid, at)
		r.Status = BeaconForged
		return r, wait
	}
	if state == events.StateExpired {
		r.Status = BeaconExpired
		t.refused(w, b.Signal, events.ReasonExpired, at)
		return r, wait
	}
	if t.foreign(tok.ID.Partition) {
		redirect := r.Redirect
		r = t.sendHome(ctx, w, b, at)
		r.Redirect = redirect
		return r, wait
	}
	r.Status, r.EventID, wait = t.judgeHere(ctx, w, b, at)
	return r, wait
}

// judgeHere is the verdict at home: once per token and use, acknowledged when it
// is on disk.
func (t *Tracker) judgeHere(ctx context.Context, w *beaconWork, b *Beacon, at int64) (BeaconStatus, id.Event, awaited) {
	tok, use := &w.token, signalUse[b.Signal]
	key := tokenFlight(tok.ID, use)
	shard := t.flights.shard(key)
	for {
		var mark events.Mark
		fl, mine := shard.claim(key, func() bool {
			mark = t.cfg.Used.Mark(tok.ID, use, tok.AuctionMS())
			return mark == events.MarkFirst
		})
		switch {
		case mine:
			return t.first(ctx, w, b, at, fl)
		case fl != nil:
			switch shard.wait(ctx, key, fl) {
			case landLost:
				continue // the first never was: this one may be it
			case landSoon:
				return BeaconOverload, id.Event{}, awaited{}
			}
		}
		if mark == events.MarkLate { // whether it was used is not known
			t.refused(w, b.Signal, events.ReasonLate, at)
			return BeaconExpired, id.Event{}, awaited{}
		}
		t.refused(w, b.Signal, events.ReasonRepeat, at)
		return BeaconRepeat, id.Event{}, awaited{}
	}
}

// first gives the verdict on a first use and queues its record.
func (t *Tracker) first(ctx context.Context, w *beaconWork, b *Beacon, at int64, fl *flight) (BeaconStatus, id.Event, awaited) {
	tok, rec := &w.token, &w.record
	key := tokenFlight(tok.ID, signalUse[b.Signal])
	t.fill(w, at)
	rec.Kind, rec.LossCode = signalKind[b.Signal], b.LossCode
	t.verdict(ctx, rec, tok, b)
	afterVerdict.Hit()
	event, status := rec.ID, BeaconFree
	if rec.Verdict == events.VerdictBilled {
		status = BeaconBilled
	}
	ticket, err := t.cfg.Log.Enqueue(rec)
	if err != nil {
		t.Undo(rec)
		return BeaconOverload, id.Event{}, awaited{}
	}
	t.flights.shard(key).queue(fl, ticket)
	t.stats.Verdicts[b.Signal][rec.Verdict][rec.Reason].Add(1)
	t.refuse.earn()
	t.noteClick(rec)
	afterEnqueue.Hit()
	return status, event, awaited{key: key, fl: fl}
}

// fill begins the record of an event that happened at `at`.
func (t *Tracker) fill(w *beaconWork, at int64) {
	rec := &w.record
	rec.Reset()
	w.token.Fill(rec)
	rec.ID = id.MakeEvent(t.cfg.Clock.Now().UnixMilli(), t.cfg.Region, t.cfg.Partition, t.serial.Add(1))
	rec.TimeMS = at
}

// Undo takes back what a verdict did, because its record certainly is not on
// disk: the diary refused it, or lost it before it was acknowledged.
func (t *Tracker) Undo(rec *events.Record) {
	if rec.Kind == events.KindRefused { // it took nothing
		return
	}
	t.stats.Undone.Add(1)
	if rec.Verdict == events.VerdictBilled {
		t.cfg.Treasurer.refund(rec)
	}
	if use, ok := rec.TokenUse(); ok {
		key := tokenFlight(rec.Token, use)
		t.flights.shard(key).lose(key, func() { t.cfg.Used.Unmark(rec.Token, use, rec.AuctionMS) })
	}
	switch rec.Kind {
	case events.KindConversion: // the sender was told to repeat it
		key := conversionFlight(rec)
		t.flights.shard(key).lose(key, func() { t.forget(rec.Advertiser, rec.Conversion.Name, rec.Conversion.EventID) })
	case events.KindPending:
		t.outbox.remove(rec.Token)
	}
}

// Sweep forgets the first uses whose senders gave up before the disk answered,
// once it has. Call it every second.
func (t *Tracker) Sweep() { t.stats.InFlight.Store(int64(t.flights.sweep())) }

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
