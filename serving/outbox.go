package serving

import (
	"context"
	"sync"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
)

// Homes reaches the nodes that are home to other partitions. Methods block until
// the home has the event on disk or ctx ends; ok is false when it did not answer:
// then it may have it or not, and sending again is safe.
type Homes interface {
	Beacon(ctx context.Context, home uint16, b *Beacon) (r Receipt, ok bool)
	Conversion(ctx context.Context, home uint16, c *Conversion) (r Receipt, ok bool)
}

// Times of events that travel between nodes.
const (
	homeWait     = time.Second      // for the answer of a home
	relaySkew    = 10 * time.Minute // how far ahead another node's clock may be
	pendingAge   = 25 * time.Hour   // a click token has expired by then, whoever judges it
	pendingMost  = 1 << 16          // clicks that wait for their home; about 500 bytes each
	deliverMost  = 1024             // of one Deliver
	deliverFirst = time.Second      // before a click is sent again, doubling
	deliverLast  = 30 * time.Second
)

// PendingClick is a click that its home does not have yet.
type PendingClick struct {
	ID        events.TokenID
	Token     []byte // sealed
	AtMS      int64  // when it happened
	AuctionMS int64
}

// outbox keeps the clicks whose home could not be reached. Each is in the diary
// of this node too, so that a restart finds it.
type outbox struct {
	mu     sync.Mutex // guards clicks and what is in them
	clicks map[events.TokenID]*waitingClick
}

type waitingClick struct {
	PendingClick
	ticket diary.Ticket
	due    time.Time
	pause  time.Duration
}

func newOutbox(earlier []PendingClick) *outbox {
	o := &outbox{clicks: make(map[events.TokenID]*waitingClick, len(earlier))}
	for _, c := range earlier {
		o.clicks[c.ID] = &waitingClick{PendingClick: c, pause: deliverFirst}
	}
	return o
}

func (o *outbox) remove(t events.TokenID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.clicks, t)
}

func (o *outbox) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.clicks)
}

// due takes the clicks to send now and puts off their next time.
func (o *outbox) due(now time.Time) (out []PendingClick) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.clicks {
		if len(out) == deliverMost {
			break
		}
		if early := c.due.Sub(now); early > 0 && early <= deliverLast { // a clock set back makes it due
			continue
		}
		c.due, c.pause = now.Add(c.pause), min(2*c.pause, deliverLast)
		out = append(out, c.PendingClick)
	}
	return out
}

// sendHome has an event judged by the partition that is its home. When that
// cannot be reached an impression or a view is to be sent again by the device; a
// click, which nobody sends again, is kept here until its home has it.
func (t *Tracker) sendHome(ctx context.Context, w *beaconWork, b *Beacon, at int64) (r Receipt) {
	home := w.token.ID.Partition
	if b.Relayed || t.cfg.Homes == nil {
		t.stats.NotHome.Add(1) // never on to a third node: two that disagree would send it round
		r.Status = BeaconOverload
		return r
	}
	sent := *b
	sent.Relayed, sent.AtMS = true, at
	wait := homeWait
	if b.hurry { // leave time to keep it here
		wait = clickWait * 3 / 5
	}
	reach, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if r, ok := t.cfg.Homes.Beacon(reach, home, &sent); ok && r.Status != BeaconOverload {
		t.stats.Relayed.Add(1)
		return r
	}
	t.stats.Unreached.Add(1)
	r.Status = BeaconOverload
	if b.Signal == SignalClick {
		r.Status, r.EventID = t.keep(ctx, w, b, at)
	}
	return r
}

// keep writes a click down until its home has it.
func (t *Tracker) keep(ctx context.Context, w *beaconWork, b *Beacon, at int64) (BeaconStatus, id.Event) {
	tok := w.token.ID
	o := t.outbox
	o.mu.Lock()
	c := o.clicks[tok]
	if c == nil && len(o.clicks) >= pendingMost {
		o.mu.Unlock()
		t.stats.NotKept.Add(1)
		return BeaconOverload, id.Event{}
	}
	event := id.Event{}
	if c == nil {
		t.fill(w, at)
		rec := &w.record
		rec.Personal.State = events.PrivacyNone // its home writes down whose click it was
		rec.Kind, rec.Use, rec.Verdict, rec.Body = events.KindPending, events.UseClick, events.VerdictNone, b.Token
		ticket, err := t.cfg.Log.Enqueue(rec)
		if err != nil {
			o.mu.Unlock()
			t.stats.NotKept.Add(1)
			return BeaconOverload, event
		}
		event = rec.ID
		c = &waitingClick{PendingClick: PendingClick{ID: tok, Token: append([]byte(nil), b.Token...), AtMS: at, AuctionMS: rec.AuctionMS},
			ticket: ticket, due: t.cfg.Clock.Now().Add(deliverFirst), pause: deliverFirst}
		o.clicks[tok] = c
	}
	ticket := c.ticket
	o.mu.Unlock()
	if ticket.Wait(ctx) != nil {
		return BeaconOverload, event
	}
	return BeaconPending, event
}

// Deliver sends the clicks that wait for their homes and returns how many still
// do. The home refuses what it has already, so each counts once. Call it often.
func (t *Tracker) Deliver(ctx context.Context) (waiting int) {
	now := t.cfg.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, homeWait)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range t.outbox.due(now) {
		if now.UnixMilli()-c.AuctionMS > pendingAge.Milliseconds() {
			t.delivered(&c, events.ReasonExpired)
			continue
		}
		all.Go(func() {
			b := Beacon{Signal: SignalClick, Token: c.Token, Relayed: true, AtMS: c.AtMS}
			r, ok := Receipt{Status: BeaconOverload}, true
			if t.cfg.Adopted != nil && t.cfg.Adopted(c.ID.Partition) {
				r = t.Confirm(ctx, &b)
			} else if t.cfg.Homes != nil {
				r, ok = t.cfg.Homes.Beacon(ctx, c.ID.Partition, &b)
			}
			if ok && r.Status != BeaconOverload {
				t.stats.Delivered.Add(1)
				t.delivered(&c, events.ReasonNone)
			}
		})
	}
	all.Wait()
	waiting = t.outbox.len()
	t.stats.Waiting.Store(int64(waiting))
	return waiting
}

// delivered notes that a click needs no more sending. If the note is lost, it is
// sent once more after a restart and refused as a repeat.
func (t *Tracker) delivered(c *PendingClick, why events.Reason) {
	w := t.pool.Get().(*beaconWork)
	defer t.pool.Put(w)
	rec := &w.record
	rec.Reset()
	now := t.cfg.Clock.Now().UnixMilli()
	rec.ID = id.MakeEvent(now, t.cfg.Region, t.cfg.Partition, t.serial.Add(1))
	rec.Kind, rec.Use, rec.Token, rec.Reason = events.KindDelivered, events.UseClick, c.ID, why
	rec.TimeMS, rec.AuctionMS = now, c.AuctionMS
	if _, err := t.cfg.Log.Enqueue(rec); err == nil {
		t.outbox.remove(c.ID)
	}
}

// Pending reads from the records of this node's stream, in their order, which
// clicks wait for their homes.
type Pending struct {
	clicks map[events.TokenID]PendingClick
}

// Apply takes one record.
func (p *Pending) Apply(r *events.Record) {
	switch r.Kind {
	case events.KindPending:
		p.Add(PendingClick{ID: r.Token, Token: append([]byte(nil), r.Body...), AtMS: r.TimeMS, AuctionMS: r.AuctionMS})
	case events.KindDelivered:
		delete(p.clicks, r.Token)
	}
}

// Add takes a click that was kept elsewhere.
func (p *Pending) Add(c PendingClick) {
	if p.clicks == nil {
		p.clicks = map[events.TokenID]PendingClick{}
	}
	if len(p.clicks) < 2*pendingMost { // of several lives; more cannot be in the stream
		p.clicks[c.ID] = c
	}
}

// Clicks are those that wait now.
func (p *Pending) Clicks() (out []PendingClick) {
	for _, c := range p.clicks {
		out = append(out, c)
	}
	return out
}
