package serving

import (
	"slices"
	"time"

	"mazad/auction"
	"mazad/audience"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/pacing"
	"mazad/targeting"
)

// worker is the memory of one request, reused. It belongs to the goroutine that
// runs the request.
type worker struct {
	req       *Request
	resp      *Response
	snap      *Snapshot
	frequency *audience.Frequency
	trace     *Trace // nil: nobody looks
	sampled   *Trace // the worker's own, for requests that are kept for replay
	cal       *calendar
	now       time.Time

	auctionID  id.Event
	profile    audience.Profile
	universe   audience.Universe
	why        audience.Reason
	contextual targeting.Contextual
	personal   targeting.Personal
	userKey    uint64 // of caps: user in the personal universe, session in the other

	search
	auction auction.Scratch
	cands   []auction.Candidate
	refs    []ref // parallel to cands
	held    []holding
	placed  []targeting.Ord // already in the response
	blocked blocked
	lost    [ReasonCount]uint32
	slot    int // of the request: the first of the running auction

	token    events.Token
	features [featureBytes]byte
	landing  []byte
	record   events.Record
}

// ref says which ad group and ad a candidate is.
type ref struct {
	ord targeting.Ord
	ad  uint32 // into Snapshot.ads
	at  uint32 // into search.matched
}

// holding is money set aside for a winner.
type holding struct {
	winner    auction.Winner
	amount    money.Nanos
	frequency audience.FrequencySlot
	group     *groupState
	chain     *pacing.Chain // zero-cost holds (test) have none
	day       int32
}

func (w *worker) begin(req *Request, resp *Response, snap *Snapshot, cal *calendar, now time.Time) {
	w.req, w.resp, w.snap, w.cal, w.now = req, resp, snap, cal, now
	w.lost = [ReasonCount]uint32{}
	w.placed, w.held = w.placed[:0], w.held[:0]
	resp.Ads, resp.Reason = resp.Ads[:0], ReasonNone
}

// end drops what the request lent.
func (w *worker) end() {
	w.req, w.resp, w.snap, w.cal, w.trace = nil, nil, nil, nil, nil
	w.contextual = targeting.Contextual{}
	w.personal.Contextual = targeting.Contextual{}
}

// eligible checks what depends on the ad group alone, cheapest first.
func (w *worker) eligible(ord targeting.Ord, ms int64) Reason {
	g := &w.snap.groups[ord]
	switch {
	case ms < g.startMS || g.endMS != 0 && ms >= g.endMS:
		return ReasonNotActive
	case g.notForKids && w.why.Child():
		return ReasonMinorPolicy
	case w.req.Door == DoorOpenRTB && g.billing != BillingCPM:
		return ReasonBillingEvent // the exchange charges by the impression whatever the click rate turns out to be
	case g.cap.Impressions > 0 && w.userKey != 0 && w.capped(ord, g):
		return ReasonFrequency
	}
	return Reason(g.hot.dry.Load())
}

func (w *worker) capped(ord targeting.Ord, g *adGroup) bool {
	n := w.frequency.Seen(w.userKey, uint64(g.id), g.cap, w.cal.freqDay[g.zone])
	w.trace.saw(ord, n)
	return n >= int(g.cap.Impressions) || g.cap.Validate() != nil
}

// gather makes a candidate of every matched ad group that may take the slot and
// that this auction has not met.
func (w *worker) gather(slot *Slot, tr *Trace) {
	for ; w.gathered < len(w.matched); w.gathered++ {
		ord, reason := w.matched[w.gathered], w.screened[w.gathered]
		g := &w.snap.groups[ord]
		ad := uint32(0)
		if reason == ReasonNone && len(w.placed) > 0 && w.beside(ord, g) {
			reason = ReasonDiversity
		}
		if reason == ReasonNone {
			ad, reason = w.chooseAd(g, slot)
		}
		if reason != ReasonNone {
			w.lost[reason]++
			tr.lose(w, ord, reason)
			continue
		}
		w.refs = append(w.refs, ref{ord: ord, ad: ad, at: uint32(w.gathered)})
		w.cands = append(w.cands, auction.Candidate{
			Ad: uint64(w.snap.fits[ad].ad), Advertiser: uint64(g.advertiser), Bid: g.bid, Rate: w.snap.fits[ad].rate, Pacing: money.PPB(g.hot.pace.Load()),
		})
	}
}

// beside reports an ad group that is in this answer already, or, where slots are
// sold one by one, whose advertiser is.
func (w *worker) beside(ord targeting.Ord, g *adGroup) bool {
	for _, p := range w.placed {
		if p == ord || w.req.Door == DoorOpenRTB && w.snap.groups[p].advertiser == g.advertiser {
			return true
		}
	}
	return false
}

// chooseAd picks the ad of the group that fits the slot and has the highest
// rate of billing events; of equals the first. The reason is that of the first
// ad if none fits.
func (w *worker) chooseAd(g *adGroup, slot *Slot) (ad uint32, reason Reason) {
	reason = ReasonFormat
	found := false
	for i := g.adFrom; i < g.adTo; i++ {
		f := &w.snap.fits[i]
		if why := w.fits(f, slot); why != ReasonNone {
			if i == g.adFrom {
				reason = why
			}
			continue
		}
		if !found || f.rate > w.snap.fits[ad].rate {
			ad, found = i, true
		}
	}
	if found {
		reason = ReasonNone
	}
	return ad, reason
}

// fits checks an ad against the slot and the request's block lists.
func (w *worker) fits(f *adFit, slot *Slot) Reason {
	if reason := fitsSlot(f, slot); reason != ReasonNone {
		return reason
	}
	if w.req.Secure && !f.secure {
		return ReasonSecure
	}
	if slices.Contains(w.req.Recent, f.ad) {
		return ReasonRecent
	}
	switch {
	case len(w.blocked.set) == 0:
	case w.blocked.has(f.domain):
		return ReasonBlockedDomain
	case w.blocked.has(f.category):
		return ReasonBlockedCategory
	}
	return ReasonNone
}

// fitsSlot checks what the slot itself asks for. Sizes bind images only; a native
// slot names the least size of its image and whether it needs a video.
func fitsSlot(f *adFit, slot *Slot) Reason {
	plain := f.format&slot.Formats != 0
	native := slot.Formats&FormatNative != 0 && f.format&(FormatImage|FormatVideo) != 0 &&
		(!slot.NeedsVideo || f.video) &&
		(slot.MinSize == Size{} || f.image && f.w >= slot.MinSize.W && f.h >= slot.MinSize.H)
	switch {
	case !plain && !native:
		return ReasonFormat
	case plain && !native && f.format == FormatImage && len(slot.Sizes) > 0 && !slices.Contains(slot.Sizes, Size{f.w, f.h}):
		return ReasonSize
	case f.format == FormatVideo && (slot.MinDurationMS > 0 && f.durationMS < slot.MinDurationMS || slot.MaxDurationMS > 0 && f.durationMS > slot.MaxDurationMS):
		return ReasonDuration
	}
	return ReasonNone
}

func isHTTPS(u string) bool { return u == "" || len(u) > 8 && u[:8] == "https://" }

// drop takes a candidate whose hold was refused out of the auction, keeping the
// order of the others, and out of the later auctions of the request: each would
// be refused the same hold again.
func (w *worker) drop(i int, reason Reason) {
	w.lost[reason]++
	w.refused++
	w.screened[w.refs[i].at] = reason
	w.cands = append(w.cands[:i], w.cands[i+1:]...)
	w.refs = append(w.refs[:i], w.refs[i+1:]...)
}

// whyEmpty names the commonest reason when nothing was placed. Of a search that
// stopped before it had met everybody, without a winner, that is the floor: all
// the rest are below it.
func (w *worker) whyEmpty() Reason {
	switch {
	case len(w.resp.Ads) > 0:
		return ReasonNone
	case len(w.req.Slots) == 0:
		return ReasonNoSlot
	case len(w.matched) == 0 && w.rest() == 0:
		return ReasonNoMatch
	case w.lost[ReasonOverload] > 0: // somebody won
		return ReasonOverload
	case w.rest() > 0 && w.refused < maxRefusals:
		return ReasonFloor
	}
	best, n := ReasonFloor, uint32(0)
	for r, c := range w.lost {
		if c > n {
			best, n = Reason(r), c
		}
	}
	return best
}

// add appends a Placed, reusing the memory of its token.
func (r *Response) add() *Placed {
	n := len(r.Ads)
	if n < cap(r.Ads) {
		r.Ads = r.Ads[:n+1]
		r.Ads[n] = Placed{Token: r.Ads[n].Token[:0]}
	} else {
		r.Ads = append(r.Ads, Placed{})
	}
	return &r.Ads[n]
}

// hashKey is FNV-1a; zero means no key.
func hashKey(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return max(h, 1)
}
