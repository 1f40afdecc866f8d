package serving

import (
	"strconv"

	"mazad/auction"
	"mazad/audience"
	"mazad/internal/money"
	"mazad/targeting"
)

// maxTraced bounds the ad groups that a trace lists one by one; the counts by
// reason always cover all of them (I9).
const maxTraced = 500

// Trace is a decision explained: every active ad group with the reason why it
// is not in the answer. It is filled by the code that decides; nil means that
// nobody asked, and every method does nothing.
type Trace struct {
	why         audience.Reason
	active      int
	matched     int
	outsiders   [targeting.DimensionCount]int // by the first dimension that refused
	reasons     [ReasonCount]int              // of matched ad groups, over all slots
	competitors []traced
	outcomes    []auction.Outcome
	inactive    map[Reason]int
	scratch     targeting.Scratch
	json        []byte

	capture
	quiet  bool    // for a replay only: nobody reads the JSON
	script *script // a replay: what takes the place of the world
}

// traced is one matched ad group in one auction.
type traced struct {
	ord     targeting.Ord
	slot    int // of the request: the first of its auction
	reason  Reason
	ad      uint32
	bid     money.Nanos
	rate    money.PPB
	pace    money.PPB
	score   money.Nanos
	price   money.Nanos
	worth   money.Nanos // the price per impression
	won     int         // slot in the auction, -1
	refused bool
	noRoom  bool // won, but there was no room to remember its token
	place   int  // noRoom: slot of the request
}

func (t *Trace) reset() {
	inactive, c := t.inactive, t.capture
	if inactive == nil {
		inactive = map[Reason]int{}
	}
	clear(inactive)
	c.on, c.caps = false, c.caps[:0]
	*t = Trace{scratch: t.scratch, competitors: t.competitors[:0], outcomes: t.outcomes[:0], json: t.json[:0], inactive: inactive, capture: c}
}

// begin notes who did not match and why.
func (t *Trace) begin(w *worker) {
	if t == nil {
		return
	}
	t.why, t.active, t.matched = w.why, len(w.snap.groups), len(w.matched)
	if t.quiet {
		return
	}
	note := func(_ targeting.Ord, d targeting.Dimension) { t.outsiders[d]++ }
	for i := range w.snap.tiers {
		if index := w.snap.tiers[i].Index; w.universe == audience.Personal {
			index.Explain(&w.personal, &t.scratch, note)
		} else {
			index.ExplainContextual(&w.contextual, &t.scratch, note)
		}
	}
	t.outsiders[targeting.DimensionNone] = 0 // those matched; what became of them follows
	for _, r := range w.snap.inactive {
		t.inactive[r]++
	}
}

// lose notes a matched ad group that did not become a candidate.
func (t *Trace) lose(w *worker, ord targeting.Ord, reason Reason) {
	if t == nil {
		return
	}
	t.reasons[reason]++
	t.list(traced{ord: ord, slot: w.slot, reason: reason, won: -1})
}

func (t *Trace) list(c traced) {
	if len(t.competitors) < maxTraced || c.won >= 0 || t.on {
		t.competitors = append(t.competitors, c)
	}
}

// refuse notes a winner whose hold was refused.
func (t *Trace) refuse(w *worker, i int, reason Reason) {
	if t == nil {
		return
	}
	t.reasons[reason]++
	c := t.of(w, i)
	c.reason, c.refused = reason, true
	t.list(c)
}

func (t *Trace) of(w *worker, i int) traced {
	c := &w.cands[i]
	return traced{ord: w.refs[i].ord, slot: w.slot, ad: w.refs[i].ad, bid: c.Bid, rate: c.Rate, pace: c.Pacing, won: -1, score: auction.Score(c)}
}

// ran notes the outcome of the auction that counted.
func (t *Trace) ran(w *worker, cfg *auction.Config) {
	if t == nil {
		return
	}
	var winners []auction.Winner
	winners, t.outcomes = auction.Explain(cfg, w.cands, &w.auction, t.outcomes[:0])
	for i, o := range t.outcomes {
		c := t.of(w, i)
		c.reason, c.score, c.won = lossReason(o.Reason), o.Score, o.Slot
		if o.Slot >= 0 {
			c.price, c.worth = winners[o.Slot].Price, winners[o.Slot].PricePerImpression
		}
		t.reasons[c.reason]++
		t.list(c)
	}
}

// gaveUp notes the candidates that were left when too many holds were refused.
func (t *Trace) gaveUp(w *worker) {
	if t == nil {
		return
	}
	for i := range w.cands {
		c := t.of(w, i)
		c.reason = ReasonHoldRefused
		t.reasons[c.reason]++
		t.list(c)
	}
}

// unplaced corrects what ran noted of a winner: there was no room to remember
// its token, so it is not in the answer.
func (t *Trace) unplaced(ord targeting.Ord, slot int) {
	if t == nil {
		return
	}
	t.reasons[ReasonNone]--
	t.reasons[ReasonOverload]++
	for i := range t.competitors {
		if c := &t.competitors[i]; c.ord == ord && c.won >= 0 && c.slot+c.won == slot {
			c.won, c.reason, c.price, c.noRoom, c.place = -1, ReasonOverload, 0, true, slot
		}
	}
}

func lossReason(r auction.Reason) Reason {
	switch r {
	case auction.Won:
		return ReasonNone
	case auction.LostBelowFloor:
		return ReasonFloor
	case auction.LostDiversity:
		return ReasonDiversity
	case auction.LostNoValue, auction.LostQuality:
		return ReasonPacing
	}
	return ReasonOutbid
}

// end renders the trace while the snapshot is at hand.
func (t *Trace) end(w *worker) {
	if t == nil || t.quiet {
		return
	}
	b := append(t.json[:0], `{"auction_id":"`...)
	b = w.auctionID.Append(b)
	b = strconv.AppendInt(append(b, `","revision":`...), w.snap.Revision, 10)
	b = append(b, `,"universe":"`+w.universe.String()+`","universe_reason":"`+t.why.String()+`"`...)
	b = strconv.AppendInt(append(b, `,"active_ad_groups":`...), int64(t.active), 10)
	b = strconv.AppendInt(append(b, `,"matched":`...), int64(t.matched), 10)
	b = append(b, `,"not_matched_by":{`...)
	first := true
	for d, n := range t.outsiders {
		b, first = appendCount(b, first, targeting.Dimension(d).String(), n)
	}
	b = append(b, `},"outcomes":{`...)
	first = true
	for r, n := range t.reasons {
		name := Reason(r).String()
		if r == 0 {
			name = "won"
		}
		b, first = appendCount(b, first, name, n)
	}
	b = append(b, `},"not_active":{`...)
	first = true
	for r := range ReasonCount {
		b, first = appendCount(b, first, Reason(r).String(), t.inactive[Reason(r)])
	}
	b = append(b, `},"candidates":[`...)
	for i := range t.competitors {
		if i >= maxTraced && t.competitors[i].won < 0 {
			continue // a recording has them all
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = t.competitors[i].append(b, w)
	}
	t.json = append(b, "]}"...)
}

func appendCount(b []byte, first bool, name string, n int) ([]byte, bool) {
	if n == 0 {
		return b, first
	}
	if !first {
		b = append(b, ',')
	}
	b = append(b, `"`+name+`":`...)
	return strconv.AppendInt(b, int64(n), 10), false
}

func (c *traced) append(b []byte, w *worker) []byte {
	g := &w.snap.groups[c.ord]
	b = append(b, `{"adgroup_id":"`+g.id.String()+`","advertiser_id":"`+g.advertiser.String()+`"`...)
	b = strconv.AppendInt(append(b, `,"slot":`...), int64(c.slot), 10)
	if c.bid == 0 {
		return append(b, `,"outcome":"`+c.reason.String()+`"}`...)
	}
	b = append(b, `,"ad_id":"`+w.snap.ads[c.ad].creative.AdID+`","billing_event":"`+g.billing.String()+`"`...)
	b = append(money.AppendNanos(append(b, `,"bid":"`...), c.bid), '"')
	b = append(money.AppendNanos(append(b, `,"rate":"`...), money.Nanos(c.rate)), '"')
	b = append(money.AppendNanos(append(b, `,"pacing":"`...), money.Nanos(c.pace)), '"')
	b = append(money.AppendNanos(append(b, `,"score":"`...), c.score), '"')
	if c.won >= 0 {
		b = append(money.AppendNanos(append(b, `,"price":"`...), c.price), '"')
		return append(b, `,"outcome":"won"}`...)
	}
	return append(b, `,"outcome":"`+c.reason.String()+`"}`...)
}

// JSON is the rendered trace, valid until the trace is used again.
func (t *Trace) JSON() []byte { return t.json }

// Counts returns how many ad groups were active, matched, and how many of the
// matched had each outcome (ReasonNone is won). It is what I9 is tested on.
func (t *Trace) Counts() (active, matched int, outcomes [ReasonCount]int) {
	return t.active, t.matched, t.reasons
}
