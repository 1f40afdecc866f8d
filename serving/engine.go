package serving

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mazad/auction"
	"mazad/audience"
	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/targeting"
)

// Market is how slots are sold; immutable.
type Market struct {
	Currency         money.Currency
	Rule             auction.Rule
	Floor            money.Nanos // per impression
	MaxPerAdvertiser int
	SlotWeights      []money.PPB
}

// Users finds the profile of a user without a lock.
type Users interface {
	Lookup(userID []byte, p *audience.Profile) bool
}

// DecisionLog takes the record of a decision; it never blocks. False is a drop,
// which the log counts.
type DecisionLog interface {
	Offer(r *events.Record) bool
}

// Config is what an Engine works with. Everything in it is shared and outlives
// the Engine.
type Config struct {
	Clock     clock.Clock
	Market    Market
	Policy    audience.Policy
	Users     Users
	Frequency *audience.Frequency
	Treasurer *Treasurer
	Sealer    *events.Sealer
	Decisions DecisionLog // nil: decisions are not recorded
	Diary     Gate        // nil: always open
	Replays   ReplayLog   // nil: nothing is kept for replays
	Sample    money.PPB   // share of the auctions that are kept, besides those that somebody explains
	Seed      uint64      // of the sample
	Build     string      // names this binary in recordings
	Region    uint8
	Partition uint16
}

// Engine decides ad requests. Decide may be called from any goroutine; Publish
// swaps the snapshot under running requests.
type Engine struct {
	cfg     Config
	snap    atomic.Pointer[Snapshot]
	cal     atomic.Pointer[calendar]
	serial  atomic.Uint64 // of auctions
	workers sync.Pool
	stats   Stats
}

// NewEngine returns an engine with an empty snapshot.
func NewEngine(cfg Config) (*Engine, error) {
	if cfg.Clock == nil || cfg.Users == nil || cfg.Frequency == nil || cfg.Treasurer == nil || cfg.Sealer == nil {
		return nil, fmt.Errorf("serving: Clock, Users, Frequency, Treasurer and Sealer are required")
	}
	e := &Engine{cfg: cfg}
	e.workers.New = func() any { return &worker{frequency: cfg.Frequency} }
	e.Publish(&Snapshot{})
	return e, nil
}

// Publish makes s what the next request sees.
func (e *Engine) Publish(s *Snapshot) {
	now := e.cfg.Clock.Now()
	e.cal.Store(newCalendar(s.zones, now)) // a request checks that the two belong together
	e.snap.Store(s)
}

// Snapshot is what the next request will see.
func (e *Engine) Snapshot() *Snapshot { return e.snap.Load() }

// Stats are the engine's counters.
func (e *Engine) Stats() *Stats { return &e.stats }

// Decide fills the slots of req. resp is emptied first and its memory reused.
// Decide writes nothing durable, takes no lock shared by all requests and, once
// warm, allocates nothing (I7).
func (e *Engine) Decide(req *Request, resp *Response) { e.decide(req, resp, nil) }

// Explain is Decide that also fills tr. It is the same code.
func (e *Engine) Explain(req *Request, resp *Response, tr *Trace) {
	tr.reset()
	e.decide(req, resp, tr)
}

func (e *Engine) decide(req *Request, resp *Response, tr *Trace) {
	if e.cfg.Diary != nil && !e.cfg.Diary.Accepting() {
		e.refuse(req, resp, tr)
		return
	}
	now := e.cfg.Clock.Now()
	snap := e.snap.Load()
	cal := e.calendar(snap, now)
	w := e.workers.Get().(*worker)
	w.begin(req, resp, snap, cal, now)
	w.auctionID = id.MakeEvent(now.UnixMilli(), e.cfg.Region, e.cfg.Partition, e.serial.Add(1))
	tr = e.watch(w, tr)
	resp.AuctionID, resp.Revision = w.auctionID, snap.Revision

	e.admit(w)
	resp.Universe = w.universe
	w.look()
	for tr != nil && w.further() { // explained in full: I9
	}
	tr.begin(w)
	if req.Door == DoorOpenRTB {
		for i := range req.Slots {
			e.fill(w, i, i+1, tr)
		}
	} else if len(req.Slots) > 0 {
		e.fill(w, 0, len(req.Slots), tr)
	}
	resp.Reason = w.whyEmpty()
	tr.end(w)
	e.stats.decided(w)
	e.keep(w, tr)
	e.record(w, tr)
	w.end()
	e.workers.Put(w)
}

// calendar returns the local times for a snapshot, computing them anew when a
// quarter of an hour has passed. That allocates, four times an hour.
func (e *Engine) calendar(snap *Snapshot, now time.Time) *calendar {
	c := e.cal.Load()
	if !c.holds(snap.zones, now) {
		c = newCalendar(snap.zones, now)
		e.cal.Store(c)
	}
	return c
}

// admit finds the user and the universe of the request (I10).
func (e *Engine) admit(w *worker) {
	req := w.req
	known := false
	if len(req.UserID) > 0 {
		known = e.cfg.Users.Lookup(req.UserID, &w.profile)
	}
	if !known {
		w.profile.Reset()
	}
	w.universe, w.why = e.cfg.Policy.Decide(req.Signals, &w.profile)
	w.contextual = targeting.Contextual{
		Placement: req.Placement, Country: req.Country, Region: req.Region, Language: req.Language, OS: req.OS,
		Age: targeting.BandOf(req.Signals.Age), Tags: req.Tags, HalfHour: w.cal.halfHour,
	}
	if w.universe != audience.Personal {
		w.profile.Reset() // nothing of the user goes further down the corridor
		w.userKey = hashKey(req.Session)
		return
	}
	w.userKey = hashKey(req.UserID)
	w.personalQuery(req)
}

// personalQuery adds what permission allows: the request's own word first, then
// the profile's.
func (w *worker) personalQuery(req *Request) {
	q := &w.personal
	q.Contextual = w.contextual
	if req.Signals.Age == 0 {
		q.Age = targeting.BandOf(w.profile.Age)
	}
	if q.Language == 0 {
		q.Language = targeting.Language(w.profile.Language)
	}
	q.City, q.OSVersion, q.Gender = req.City, req.OSVersion, req.Gender
	if q.Gender == targeting.GenderUnlimited {
		q.Gender = targeting.Gender(w.profile.Gender)
	}
	q.Interests, q.Segments = q.Interests[:0], q.Segments[:0]
	for _, i := range w.profile.Interests {
		q.Interests = append(q.Interests, targeting.Interest(i))
	}
	for _, s := range w.profile.Segments {
		q.Segments = append(q.Segments, targeting.Segment(s))
	}
}

// fill sells slots from..to of the request in one auction among the ad groups
// that match. It looks at them tier by tier and stops when what is left cannot
// change the outcome (I3). A winner whose hold is refused is taken out and the
// auction is run again, so the outcome is that of an auction among the rest.
func (e *Engine) fill(w *worker, from, to int, tr *Trace) {
	slot := &w.req.Slots[from]
	w.slot = from
	tr.open(from)
	cfg := auction.Config{
		Rule: e.cfg.Market.Rule, Slots: to - from, Floor: max(e.cfg.Market.Floor, slot.Floor),
		MaxPerAdvertiser: e.cfg.Market.MaxPerAdvertiser, SlotWeights: e.cfg.Market.SlotWeights, Seed: w.auctionID.Lo ^ w.auctionID.Hi,
	}
	if w.req.Door == DoorOpenRTB { // the exchange sets the price; our bid is what we are ready to pay
		cfg.Rule, cfg.Floor = auction.FirstPrice, slot.Floor
	}
	w.cands, w.refs, w.gathered = w.cands[:0], w.refs[:0], 0
	w.auction.Open()
	for {
		for {
			first := len(w.cands)
			w.gather(slot, tr)
			w.auction.Add(&cfg, w.cands, first)
			if w.auction.Settled(&cfg, w.rest()) || !w.further() {
				break
			}
		}
		bad, reason := e.hold(w, w.auction.Close(&cfg, w.cands))
		if bad < 0 {
			w.tally(len(w.held))
			tr.ran(w, &cfg)
			e.place(w, from, tr)
			return
		}
		tr.refuse(w, bad, reason)
		w.drop(bad, reason)
		if w.refused >= maxRefusals {
			w.lost[ReasonHoldRefused] += uint32(len(w.cands))
			tr.gaveUp(w)
			return
		}
		w.auction.Open()
		w.auction.Add(&cfg, w.cands, 0)
	}
}

// maxRefusals bounds the work that exhausted budgets can cause in one request: so
// many refused holds over all its slots, each an auction among the rest. A refused
// ad group is marked and does not compete again until there is money, in other
// requests either. The bound counts holds and not candidates, so that it ends a
// search that was cut short where it ends a full one.
const maxRefusals = 1000

// hold sets money and a frequency reservation aside for every winner, in rank
// order. It returns the candidate index of the first that was refused and why,
// with everything given back, or -1.
func (e *Engine) hold(w *worker, winners []auction.Winner) (int, Reason) {
	w.held = w.held[:0]
	for i := range winners {
		h := holding{winner: winners[i]}
		c := &w.refs[h.winner.Index]
		if reason := e.holdOne(w, c, &h); reason != ReasonNone {
			e.giveBack(w)
			return h.winner.Index, reason
		}
		w.held = append(w.held, h)
	}
	return -1, ReasonNone
}

func (e *Engine) holdOne(w *worker, c *ref, h *holding) Reason {
	g := &w.snap.groups[c.ord]
	h.group, h.day = w.snap.states[c.ord], w.cal.day[g.zone]
	if s := w.trace.replays(); s != nil {
		return s.hold(w.slot, g.id)
	}
	h.amount = h.winner.Price
	if g.billing != BillingCPM { // expected cost
		h.amount = h.winner.PricePerImpression
	}
	if g.cap.Impressions > 0 && w.userKey != 0 {
		slot, outcome := e.cfg.Frequency.Reserve(w.userKey, uint64(g.id), g.cap, w.cal.freqDay[g.zone])
		if outcome != audience.FrequencyReserved {
			return ReasonFrequency
		}
		h.frequency = slot
	}
	if w.req.Test {
		h.amount = 0
		return ReasonNone
	}
	reason := e.cfg.Treasurer.hold(h)
	if reason != ReasonNone {
		e.cfg.Frequency.Release(h.frequency)
	}
	return reason
}

// giveBack undoes the holds of an auction that is run again.
func (e *Engine) giveBack(w *worker) {
	for i := range w.held {
		e.letGo(&w.held[i])
	}
	w.held = w.held[:0]
}

func (e *Engine) letGo(h *holding) {
	e.cfg.Treasurer.release(h)
	e.cfg.Frequency.Release(h.frequency)
}

// remember finds the token of a winner a serial number, if there is room.
func (e *Engine) remember(w *worker, h *holding, r *ref) (serial uint64, ok bool) {
	if s := w.trace.replays(); s != nil {
		return 0, s.placed(w.slot, w.slot+h.winner.Slot)
	}
	return e.cfg.Treasurer.remember(h, w.snap.groups[r.ord].billing)
}

// place turns held winners into the response.
func (e *Engine) place(w *worker, from int, tr *Trace) {
	for i := range w.held {
		h := &w.held[i]
		r := &w.refs[h.winner.Index]
		serial, ok := e.remember(w, h, r)
		if !ok {
			w.lost[ReasonOverload]++
			tr.unplaced(r.ord, from+h.winner.Slot)
			e.letGo(h)
			continue
		}
		p := w.resp.add()
		p.Slot, p.Price = from+h.winner.Slot, h.winner.Price
		p.Creative = &w.snap.ads[r.ad].creative
		if w.trace.replays() == nil {
			p.Token = e.mint(w, h, r, serial, p.Token[:0])
		}
		w.placed = append(w.placed, r.ord)
	}
	w.held = w.held[:0]
}
