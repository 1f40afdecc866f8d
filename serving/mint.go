package serving

import (
	"encoding/binary"

	"mazad/auction"
	"mazad/audience"
	"mazad/events"
)

// featureBytes is the size of what a token carries for learning and billing:
// the predicted rate and the pacing multiplier of the decision, both PPB.
const featureBytes = 16

// mint appends the sealed token of a placed ad to dst: who, what, price,
// revision. It is all that a verdict needs, so that the request writes nothing
// durable.
func (e *Engine) mint(w *worker, h *holding, r *ref, serial uint64, dst []byte) []byte {
	g, c, cand := &w.snap.groups[r.ord], &w.snap.ads[r.ad].creative, &w.cands[h.winner.Index]
	t := &w.token
	t.Reset()
	t.ID = events.TokenID{Partition: e.cfg.Partition, Generation: e.cfg.Treasurer.Generation(), Serial: serial}
	t.AuctionID = w.auctionID
	t.Advertiser, t.Campaign, t.AdGroup, t.Ad = g.advertiser, c.Campaign, g.id, c.Ad
	t.Revision, t.Model = w.snap.Revision, uint32(w.snap.model.Version())
	t.PriceNanos, t.BidNanos = h.winner.Price, g.bid
	if w.req.Door == DoorOpenRTB {
		t.BidNanos = h.winner.Price // what we offered is the most that may be billed
	}
	t.BillingEvent, t.Door, t.Slot = uint8(g.billing), uint8(w.req.Door), uint8(w.slot+h.winner.Slot)
	copy(t.Currency[:], e.cfg.Market.Currency)
	t.Test, t.Day = w.req.Test, h.day
	q := &w.contextual
	if w.universe == audience.Personal {
		q = &w.personal.Contextual
		t.Gender = uint8(w.personal.Gender)
		if w.profile.Ord != 0 {
			t.HasUser, t.UserOrd = true, uint32(w.profile.Ord)
		}
	}
	t.Country = [2]byte{byte(q.Country >> 8), byte(q.Country)}
	t.Age, t.OS, t.Placement, t.Universe = uint8(q.Age), uint8(q.OS), uint8(q.Placement), uint8(w.universe)
	t.Region, t.Language = uint64(q.Region), uint16(q.Language)
	t.Chain, t.Hold = h.group.index, uint64(h.amount)
	binary.LittleEndian.PutUint64(w.features[:], uint64(cand.Rate))
	binary.LittleEndian.PutUint64(w.features[8:], uint64(cand.Pacing))
	t.Features = w.features[:]
	w.landing = append(w.landing[:0], c.LandingURL...)
	t.Destination = w.landing
	return e.cfg.Sealer.Append(dst, t)
}

// record offers the decision to the log: one small record per auction.
func (e *Engine) record(w *worker, tr *Trace) {
	if e.cfg.Decisions == nil {
		return
	}
	e.describe(w, events.KindDecision)
	if tr != nil && tr.on {
		w.record.Flags |= events.FlagSampled
	}
	if !e.cfg.Decisions.Offer(&w.record) {
		e.stats.NotLogged.Add(1)
	}
}

// describe writes what a decision was into w.record.
func (e *Engine) describe(w *worker, kind events.Kind) {
	r := &w.record
	r.Reset()
	r.ID, r.AuctionID = w.auctionID, w.auctionID
	r.Kind, r.Reason = kind, events.Reason(w.resp.Reason)
	r.TimeMS, r.AuctionMS = w.now.UnixMilli(), w.now.UnixMilli()
	r.Door, r.Universe, r.Revision, r.Model = uint8(w.req.Door), uint8(w.universe), w.snap.Revision, uint32(w.snap.model.Version())
	copy(r.Currency[:], e.cfg.Market.Currency)
	q := &w.contextual
	r.Country = [2]byte{byte(q.Country >> 8), byte(q.Country)}
	r.Region, r.Language, r.OS, r.Placement = uint64(q.Region), uint16(q.Language), uint8(q.OS), uint8(q.Placement)
	r.Slot = uint8(len(w.resp.Ads))
	if len(w.resp.Ads) > 0 {
		c := w.resp.Ads[0].Creative
		r.Advertiser, r.Campaign, r.AdGroup, r.Ad = c.Advertiser, c.Campaign, c.AdGroup, c.Ad
		r.PriceNanos = w.resp.Ads[0].Price
	}
}

// tally counts why the candidates of the auction that counted lost. The reasons
// are coarse here; a trace has them one by one. Where nobody won, nobody was
// outbid: each is below the floor, or worth nothing at its pacing.
func (w *worker) tally(won int) {
	if won > 0 {
		w.lost[ReasonOutbid] += uint32(len(w.cands) - won)
		return
	}
	for i := range w.cands {
		if auction.Value(&w.cands[i]) <= 0 {
			w.lost[ReasonPacing]++
		} else {
			w.lost[ReasonFloor]++
		}
	}
}
