package serving

import (
	"context"

	"mazad/audience"
	"mazad/events"
	"mazad/internal/id"
)

// Convert implements Confirmer: it credits a conversion to a click of ours, if
// there is one, and records it. An advertiser may report one event through
// several doors; the first within 48 hours counts.
func (t *Tracker) Convert(ctx context.Context, c *Conversion) Receipt {
	w := t.pool.Get().(*beaconWork)
	defer t.pool.Put(w)
	r := t.convertIt(ctx, w, c)
	t.stats.Converts[r.Status].Add(1)
	return r
}

func (t *Tracker) convertIt(ctx context.Context, w *beaconWork, c *Conversion) (r Receipt) {
	now := t.cfg.Clock.Now().UnixMilli()
	advertiser, click := c.Advertiser, (*events.Token)(nil)
	if len(c.ClickToken) > 0 {
		state := t.cfg.Sealer.Open(&w.token, c.ClickToken, events.UseAttribution, now)
		t.stats.Tokens[state].Add(1)
		if !state.Authentic() { // a mistake of the sender, or worse: not silently a conversion without a click
			r.Status = BeaconForged
			return r
		}
		if advertiser == 0 {
			advertiser = w.token.Advertiser
		}
		if home := w.token.ID.Partition; home != t.cfg.Partition && (t.cfg.Adopted == nil || !t.cfg.Adopted(home)) {
			return t.sendConversion(ctx, home, c)
		}
		if state == events.StateOK {
			click = &w.token
		}
	}
	t.conversion(w, c, advertiser, now)
	for {
		r, again := t.recordConversion(ctx, w, c, click, now)
		if !again {
			return r
		}
	}
}

// sendConversion has a conversion judged where its click is known.
func (t *Tracker) sendConversion(ctx context.Context, home uint16, c *Conversion) (r Receipt) {
	r.Status = BeaconOverload
	if c.Relayed || t.cfg.Homes == nil {
		t.stats.NotHome.Add(1)
		return r
	}
	sent := *c
	sent.Relayed = true
	if got, ok := t.cfg.Homes.Conversion(ctx, home, &sent); ok {
		t.stats.Relayed.Add(1)
		return got
	}
	t.stats.Unreached.Add(1)
	return r
}

// conversion begins the record of a conversion.
func (t *Tracker) conversion(w *beaconWork, c *Conversion, advertiser id.Advertiser, now int64) {
	rec := &w.record
	rec.Reset()
	rec.ID = id.MakeEvent(now, t.cfg.Region, t.cfg.Partition, t.serial.Add(1))
	rec.Kind, rec.Verdict, rec.TimeMS = events.KindConversion, events.VerdictNone, c.TimeMS
	rec.Advertiser, rec.Reason = advertiser, events.ReasonUnattributed
	rec.Conversion.Name, rec.Conversion.EventID = []byte(c.Name), []byte(c.EventID)
	rec.Conversion.ValueNanos = c.Value
	copy(rec.Conversion.Currency[:], c.Currency)
	copy(rec.Currency[:], c.Currency) // of the ad's spend, if a click is found
}

// recordConversion writes a conversion down once. A second report waits until
// the first is on disk; again means that the first was lost.
func (t *Tracker) recordConversion(ctx context.Context, w *beaconWork, c *Conversion, click *events.Token, now int64) (r Receipt, again bool) {
	rec := &w.record
	key := conversionFlight(rec)
	shard := t.flights.shard(key)
	fl, mine := shard.claim(key, func() bool { return t.credit(w, c, click, now) })
	if !mine {
		r.Status = BeaconRepeat
		if fl == nil {
			return r, false
		}
		switch shard.wait(ctx, key, fl) {
		case landLost:
			return r, true
		case landSoon:
			r.Status = BeaconOverload
		}
		return r, false
	}
	afterCredit.Hit()
	ticket, err := t.cfg.Log.Enqueue(rec)
	if err != nil {
		t.Undo(rec) // the sender will repeat it
		r.Status = BeaconOverload
		return r, false
	}
	shard.queue(fl, ticket)
	t.refuse.earn()
	r.EventID, r.Status = rec.ID, BeaconFree
	if ticket.Wait(ctx) != nil {
		r.Status = BeaconOverload
		return r, false
	}
	shard.land(key, fl)
	return r, false
}

// credit asks the attribution; false is a duplicate.
func (t *Tracker) credit(w *beaconWork, c *Conversion, click *events.Token, nowMS int64) bool {
	if t.cfg.Attribution == nil {
		return true
	}
	rec := &w.record
	sale := events.Sale{Advertiser: rec.Advertiser, Name: rec.Conversion.Name, EventID: rec.Conversion.EventID, TimeMS: c.TimeMS, ReceivedMS: nowMS, Click: click}
	if c.UserID != "" && t.cfg.Users != nil {
		var p audience.Profile
		if t.cfg.Users.Lookup([]byte(c.UserID), &p) && p.Ord != 0 {
			sale.HasUser, sale.User = true, uint32(p.Ord)
		}
	}
	t.convert.Lock()
	credit := t.cfg.Attribution.Credit(&sale)
	t.convert.Unlock()
	if credit.Duplicate {
		return false
	}
	if credit.Match != events.MatchNone {
		credit.Click.Fill(rec)
		rec.Reason, rec.Conversion.Match = events.ReasonNone, credit.Match
	}
	return true
}

func (t *Tracker) forget(adv id.Advertiser, name, eventID []byte) {
	if t.cfg.Attribution == nil || len(eventID) == 0 {
		return
	}
	t.convert.Lock()
	defer t.convert.Unlock()
	t.cfg.Attribution.Forget(adv, name, eventID)
}

// noteClick tells the attribution of a click, so that a conversion a second
// later finds it.
func (t *Tracker) noteClick(rec *events.Record) {
	if rec.Kind != events.KindClick || t.cfg.Attribution == nil {
		return
	}
	click := events.ClickOf(rec)
	t.convert.Lock()
	t.cfg.Attribution.Click(click)
	t.convert.Unlock()
}
