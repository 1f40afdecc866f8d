package serving

import (
	"cmp"
	"math/bits"
	"slices"

	"mazad/audience"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/targeting"
)

// ReplayLog takes the recording of an auction; it never blocks. False is a drop,
// which the log counts.
type ReplayLog interface {
	OfferReplay(r *events.Record) bool
}

// capture is the part of a Trace that makes a Recording. Its memory is reused.
type capture struct {
	on      bool
	asked   bool // somebody wants the trace, too
	tick    uint64
	caps    []capSeen // in the order in which ad groups were screened
	order   []matchedGroup
	place   []uint32 // by ord, of those that matched: where in Groups
	rates   []money.PPB
	fates   []Fate // of all auctions
	rec     Recording
	encoded []byte
}

type matchedGroup struct {
	id  id.AdGroup
	ord targeting.Ord
}

// capSeen is what a frequency cap had counted.
type capSeen struct {
	ord  targeting.Ord
	seen int
}

// saw notes what a frequency cap had counted when the ad group was screened.
func (t *Trace) saw(ord targeting.Ord, n int) {
	if t != nil && t.capture.on {
		t.caps = append(t.caps, capSeen{ord, n})
	}
}

// keep makes the recording of a decision that is complete and offers it.
func (e *Engine) keep(w *worker, t *Trace) {
	if t == nil || !t.on {
		return
	}
	t.recording(e, w)
	if e.cfg.Replays == nil {
		return
	}
	e.stats.Kept.Add(1)
	e.describe(w, events.KindReplay)
	r := &w.record
	if w.universe == audience.Personal {
		r.Personal.State, r.Personal.Ord = events.PrivacyOpen, uint32(w.profile.Ord)
	}
	t.encoded = t.rec.Append(t.encoded[:0])
	if len(t.encoded) > events.MaxReplay { // so many ad groups matched: what is left says so
		t.rec.Groups, t.rec.Auctions = t.rec.Groups[:0], t.rec.Auctions[:0]
		t.encoded = t.rec.Append(t.encoded[:0])
	}
	r.Body = t.encoded
	if !e.cfg.Replays.OfferReplay(r) {
		e.stats.NotKept.Add(1)
	}
	r.Body = nil
}

// recording fills t.rec from what the trace has seen.
func (t *Trace) recording(e *Engine, w *worker) {
	r, s := &t.rec, w.snap
	*r = Recording{
		Engine: EngineVersion, Build: e.cfg.Build, Explained: t.asked, Tick: t.tick,
		Auction: w.auctionID, Now: w.now, Revision: s.Revision, Built: s.Built, Model: s.model.Version(),
		Market: e.cfg.Market, Policy: e.cfg.Policy, Universe: w.universe, Why: w.why, Matched: len(w.matched), Reason: w.resp.Reason,
		Groups: r.Groups[:0], Auctions: r.Auctions[:0], Ads: r.Ads[:0], Profile: r.Profile, Request: r.Request,
	}
	r.asked(w)
	t.order, t.rates = t.order[:0], t.rates[:0]
	for _, ord := range w.matched {
		t.order = append(t.order, matchedGroup{s.groups[ord].id, ord})
	}
	slices.SortFunc(t.order, func(a, b matchedGroup) int { return cmp.Compare(a.id, b.id) })
	if len(t.place) < len(s.groups) {
		t.place = make([]uint32, len(s.groups))
	}
	for i, g := range t.order {
		t.place[g.ord] = uint32(i)
		r.Groups = append(r.Groups, t.recorded(s, g.ord))
	}
	for _, c := range t.caps {
		r.Groups[t.place[c.ord]].Seen = min(c.seen, 255)
	}
	t.auctions(w)
}

// recorded is what the snapshot says of an ad group that its revision does not.
func (t *Trace) recorded(s *Snapshot, ord targeting.Ord) RecordedGroup {
	g := &s.groups[ord]
	out := RecordedGroup{ID: g.id, Seen: -1}
	if g.billing != BillingCPM {
		from := len(t.rates)
		for a := g.adFrom; a < g.adTo; a++ {
			t.rates = append(t.rates, s.fits[a].rate)
		}
		out.Rates = t.rates[from:]
	}
	return out
}

// auctions divides what became of every ad group by auction: a trace lists them
// one auction after the other.
func (t *Trace) auctions(w *worker) {
	r, s := &t.rec, w.snap
	t.fates = slices.Grow(t.fates[:0], len(w.matched)*len(w.req.Slots))
	var a *RecordedAuction
	for i := range t.competitors {
		c := &t.competitors[i]
		if a == nil || a.Slot != c.slot {
			from := len(t.fates)
			t.fates = t.fates[:from+len(r.Groups)]
			r.Auctions = append(r.Auctions, RecordedAuction{Slot: c.slot, Fates: t.fates[from:]})
			a = &r.Auctions[len(r.Auctions)-1]
		}
		at, g := int(t.place[c.ord]), &s.groups[c.ord]
		f := Fate{Reason: c.reason, Competed: c.bid != 0}
		if f.Competed {
			f.Ad, f.Pace = int(c.ad-g.adFrom), c.pace
		}
		a.Fates[at] = f
		switch {
		case c.refused:
			a.Refused = append(a.Refused, RefusedHold{Group: at, Reason: c.reason})
		case c.noRoom:
			a.Unplaced = append(a.Unplaced, c.place)
		case c.won >= 0:
			r.Ads = append(r.Ads, RecordedAd{Slot: c.slot + c.won, AdGroup: g.id, Ad: s.fits[c.ad].ad,
				Score: c.score, Price: c.price, Worth: c.worth, Day: w.cal.day[g.zone]})
		case !f.Competed && len(r.Auctions) == 1 && (f.Reason == ReasonBudget || f.Reason == ReasonWallet):
			r.Groups[at].Need = money.Nanos(max(s.states[c.ord].need.Load(), 0))
		}
	}
	slices.SortFunc(r.Ads, func(a, b RecordedAd) int { return cmp.Compare(a.Slot, b.Slot) })
}

// asked copies what was asked, less what nobody may keep: who asked, and in the
// contextual universe everything that it may not use. What is left of age and
// consent there is one example that leads to the same universe for the same reason.
func (r *Recording) asked(w *worker) {
	from := w.req
	q := &r.Request
	q.Reset()
	keep := *q
	*q = *from
	q.ID, q.UserID, q.Session, q.UserAgent, q.IP24 = nil, nil, nil, nil, [3]byte{}
	q.Tags, q.Recent = append(keep.Tags, from.Tags...), append(keep.Recent, from.Recent...)
	q.BlockedDomains, q.BlockedCategories = append(keep.BlockedDomains, from.BlockedDomains...), append(keep.BlockedCategories, from.BlockedCategories...)
	q.Slots = keep.Slots
	for i := range from.Slots {
		slot := q.AddSlot()
		sizes := append(slot.Sizes, from.Slots[i].Sizes...)
		*slot = from.Slots[i]
		slot.ID, slot.Sizes = nil, sizes
	}
	r.HasUser, r.HasSession = len(from.UserID) > 0, len(from.Session) > 0
	r.Profile.Reset()
	if w.universe == audience.Personal {
		p := &w.profile
		interests, segments := append(r.Profile.Interests, p.Interests...), append(r.Profile.Segments, p.Segments...)
		r.Profile = *p
		r.Profile.Ord, r.Profile.Interests, r.Profile.Segments = 0, interests, segments
		return
	}
	q.City, q.OSVersion, q.Gender = 0, 0, 0
	q.Signals, r.Profile.Age = example(w.why, targeting.BandOf(from.Signals.Age), &from.Signals)
	r.HasUser, r.Profile.Known = r.Profile.Age != 0, r.Profile.Age != 0
}

// bandYears is an age in the middle of each band.
var bandYears = [...]uint8{targeting.AgeUnknown: 0, targeting.Age13_17: 15, targeting.Age18_24: 21, targeting.Age25_34: 30,
	targeting.Age35_44: 40, targeting.Age45_54: 50, targeting.Age55_100: 60}

// example is the least that a request and a profile must say for a Policy to
// answer contextual for this reason, with the request's own age in this band.
func example(why audience.Reason, band targeting.Band, said *audience.Signals) (s audience.Signals, profileAge uint8) {
	s = audience.Signals{Country: said.Country, GDPR: said.GDPR, Age: bandYears[band]}
	switch why {
	case audience.ReasonCOPPA:
		s.COPPA = true
		return s, 0
	case audience.ReasonChild:
		return s, 12
	case audience.ReasonMinor:
		return s, 15
	case audience.ReasonAgeUnknown:
		return s, 0
	case audience.ReasonGPC:
		s.GPC = true
	case audience.ReasonLMT:
		s.LMT = true
	case audience.ReasonDenied:
		s.Consent = audience.ConsentDenied
	}
	if s.Age == 0 {
		profileAge = 30 // the profile knew, or the policy takes everybody for an adult
	}
	return s, profileAge
}

// watch is the trace of a request: the caller's, or the worker's own when the
// auction is in the sample; nil for all others.
func (e *Engine) watch(w *worker, tr *Trace) *Trace {
	switch {
	case tr == nil && (e.cfg.Replays == nil || !Sampled(w.auctionID, e.cfg.Sample, e.cfg.Seed)):
		return nil
	case tr == nil:
		if w.sampled == nil {
			w.sampled = new(Trace)
		}
		tr = w.sampled
		tr.reset()
		tr.on, tr.quiet = true, true
	case tr.script != nil:
		w.auctionID = tr.script.rec.Auction
	default:
		tr.on, tr.asked = e.cfg.Replays != nil, true
	}
	if tr.script == nil {
		tr.tick = e.cfg.Treasurer.Ticks()
	}
	w.trace = tr
	return tr
}

// Sampled reports whether an auction belongs to the sample of a share, drawn by
// its id and a seed: it is known before anything is looked up.
func Sampled(auction id.Event, share money.PPB, seed uint64) bool {
	if share == 0 {
		return false
	}
	draw, _ := bits.Mul64(scatter(auction.Lo^scatter(auction.Hi^seed)), uint64(money.One))
	return draw < uint64(share)
}

// scatter is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// replays is the script of a replay; nil in the world.
func (t *Trace) replays() *script {
	if t == nil {
		return nil
	}
	return t.script
}

// open notes that an auction begins.
func (t *Trace) open(slot int) {
	if s := t.replays(); s != nil {
		s.open(slot)
	}
}
