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
	now := t.cfg.Clock.Now()
	rec := &w.record
	rec.Reset()
	rec.ID = id.MakeEvent(now.UnixMilli(), t.cfg.Region, t.cfg.Partition, t.serial.Add(1))
	rec.Kind, rec.Verdict, rec.TimeMS = events.KindConversion, events.VerdictNone, c.TimeMS
	rec.Advertiser = c.Advertiser
	rec.Conversion.Name, rec.Conversion.EventID = []byte(c.Name), []byte(c.EventID)
	rec.Conversion.ValueNanos = c.Value
	copy(rec.Conversion.Currency[:], c.Currency)
	copy(rec.Currency[:], c.Currency) // of the ad's spend, if a click is found
	r := Receipt{EventID: rec.ID, Status: BeaconFree}
	if !t.credit(w, c, rec, now.UnixMilli()) {
		r.Status, r.EventID = BeaconRepeat, id.Event{}
		t.stats.Converts[r.Status].Add(1)
		return r
	}
	ticket, err := t.cfg.Log.Enqueue(rec)
	if err == nil {
		err = ticket.Wait(ctx)
	} else {
		t.forget(rec.Advertiser, rec.Conversion.Name, rec.Conversion.EventID) // certainly not recorded: the sender will repeat it
	}
	if err != nil {
		r.Status = BeaconOverload
	}
	t.stats.Converts[r.Status].Add(1)
	return r
}

// credit asks the attribution; false is a duplicate.
func (t *Tracker) credit(w *beaconWork, c *Conversion, rec *events.Record, nowMS int64) bool {
	rec.Reason = events.ReasonUnattributed
	if t.cfg.Attribution == nil {
		return true
	}
	sale := events.Sale{Advertiser: c.Advertiser, Name: rec.Conversion.Name, EventID: rec.Conversion.EventID, TimeMS: c.TimeMS, ReceivedMS: nowMS}
	if len(c.ClickToken) > 0 {
		state := t.cfg.Sealer.Open(&w.token, c.ClickToken, events.UseAttribution, nowMS)
		t.stats.Tokens[state].Add(1)
		if state == events.StateOK {
			sale.Click = &w.token
		}
	}
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
