package ads

import (
	"time"

	"mazad/api/ads/openrtb"
	"mazad/serving"
	"mazad/targeting"

	"github.com/valyala/fasthttp"
)

// question is one ad request on its way through the door.
type question struct {
	ctx     *fasthttp.RequestCtx
	sc      *scratch
	body    []byte
	explain bool
	began   time.Time
	waited  time.Duration // before it was read
}

// ask does what feed and exchange requests have in common: gate, key, body,
// time. Under overload refusing must be cheap, so the age of a request is looked at
// first. Ads leave half of the room for beacons to beacons: those are refused last.
func (s *Server) ask(ctx *fasthttp.RequestCtx, route Route, waited time.Duration) {
	if !s.allow(ctx, fasthttp.MethodPost) {
		return
	}
	began := s.clock.Now()
	if !s.queue.admit(began.UnixNano(), waited) || s.ackGate.crowded() {
		s.stats.shedAds.Add(1)
		s.turnAway(ctx, route)
		return
	}
	who, ok := s.authorize(ctx, KeyDecision, route == RouteBid)
	if !ok {
		return
	}
	if !s.adGate.enter() {
		s.stats.shedAds.Add(1)
		s.turnAway(ctx, route)
		return
	}
	defer s.adGate.leave()
	sc := s.take()
	if body, ok := s.body(ctx, sc, s.bodyBytes(route)); ok {
		explain := len(ctx.URI().QueryString()) > 0 && string(ctx.QueryArgs().Peek("explain")) == "1"
		if explain && !who.Explain {
			s.refuse(ctx, fasthttp.StatusForbidden, codeForbidden, "explain=1 needs a key that may explain")
		} else {
			q := question{ctx: ctx, sc: sc, body: body, explain: explain, began: began, waited: waited}
			if route == RouteBid {
				s.bid(&q)
			} else {
				s.feed(&q)
			}
			s.stats.duration(s.clock.Now().Sub(began).Microseconds())
		}
	}
	s.give(sc)
}

// turnAway answers an ad request that found no room, at once and without
// reading it: the feed goes on without an ad.
func (s *Server) turnAway(ctx *fasthttp.RequestCtx, route Route) {
	if route == RouteBid {
		s.noBid(ctx, serving.ReasonOverload)
		return
	}
	s.stats.noAd(serving.DoorFeed, serving.ReasonOverload)
	ctx.SetContentType(jsonType)
	ctx.SetBodyString(`{"auction_id":"","ads":[],"reason":"overload"}`)
}

// decide runs the engine, with a trace when it was asked for.
func (s *Server) decide(q *question) {
	if q.explain {
		q.sc.trace = s.cfg.Engine.Explain(&q.sc.req, &q.sc.resp, q.sc.trace[:0])
		return
	}
	s.cfg.Engine.Decide(&q.sc.req, &q.sc.resp)
}

// feed answers POST /v1/ads.
func (s *Server) feed(q *question) {
	sc := q.sc
	if !sc.feed.decode(q.body, q.began, &sc.req) {
		s.fault(q.ctx, sc.feed.c.Fault())
		return
	}
	// A signal of the client goes before what its app forwards.
	if string(q.ctx.Request.Header.Peek("Sec-GPC")) == "1" {
		sc.req.Signals.GPC = true
	}
	s.decide(q)
	if len(sc.resp.Ads) == 0 {
		s.stats.noAd(serving.DoorFeed, sc.resp.Reason)
	}
	s.stats.ads.Add(uint64(len(sc.resp.Ads)))
	sc.out = s.appendFeed(sc.out, &sc.resp)
	if q.explain {
		sc.out = append(sc.out[:len(sc.out)-1], `,"trace":`...)
		sc.out = append(append(sc.out, sc.trace...), '}')
	}
	s.send(q.ctx, sc.out)
}

// appendFeed appends the answer of the feed. The static members of an ad were
// written when the snapshot was built.
func (s *Server) appendFeed(dst []byte, resp *serving.Response) []byte {
	dst = append(dst, `{"auction_id":"`...)
	dst = resp.AuctionID.Append(dst)
	dst = append(dst, `","ads":[`...)
	for i := range resp.Ads {
		p := &resp.Ads[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if len(p.Creative.FeedJSON) > 0 {
			dst = append(append(dst, p.Creative.FeedJSON...), ',')
		}
		dst = append(dst, `"slot":`...)
		dst = append(dst, slotDigits[p.Slot%len(slotDigits)]...)
		dst = s.appendTrack(append(dst, `,"imp_url":"`...), 'i', p.Token)
		dst = s.appendTrack(append(dst, `","click_url":"`...), 'c', p.Token)
		dst = s.appendTrack(append(dst, `","view_url":"`...), 'v', p.Token)
		dst = append(dst, `"}`...)
	}
	dst = append(dst, ']')
	if len(resp.Ads) == 0 {
		dst = append(dst, `,"reason":"`...)
		dst = append(append(dst, resp.Reason.String()...), '"')
	}
	return append(dst, '}')
}

// slotDigits are the slots of a feed request, by position.
var slotDigits = [serving.MaxSlots]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// appendTrack appends a tracking URL; neither part needs an escape in JSON.
func (s *Server) appendTrack(dst []byte, kind byte, token []byte) []byte {
	dst = append(append(dst, s.cfg.PublicURL...), trackPrefix...)
	return append(append(dst, kind, '/'), token...)
}

// bid answers POST /openrtb2/bid.
func (s *Server) bid(q *question) {
	sc := q.sc
	q.ctx.Response.Header.Set("X-Openrtb-Version", "2.6")
	if !sc.bid.Decode(q.body, q.began, &sc.req) {
		s.fault(q.ctx, sc.bid.Fault())
		return
	}
	for i := range sc.bid.Imps {
		if r := sc.bid.Imps[i].Reason; r != serving.ReasonNone {
			s.stats.unsold[r].Add(1)
		}
	}
	switch {
	case len(sc.req.Slots) == 0:
		s.noBid(q.ctx, sc.bid.Reason)
		return
	case sc.bid.TMaxMS > 0 && time.Duration(sc.bid.TMaxMS)*time.Millisecond-q.waited < s.limits.LeastTMax:
		s.noBid(q.ctx, serving.ReasonDeadline)
		return
	}
	s.decide(q)
	bids := 0
	if q.explain {
		sc.out = append(sc.out, `{"response":`...)
	}
	sc.out, bids = sc.markup.Append(sc.out, sc.bid, &sc.req, &sc.resp)
	s.stats.ads.Add(uint64(bids))
	s.stats.unsent.Add(uint64(len(sc.resp.Ads) - bids))
	switch {
	case q.explain:
		if bids == 0 {
			sc.out = append(sc.out, "null"...)
		}
		sc.out = append(append(sc.out, `,"trace":`...), sc.trace...)
		s.send(q.ctx, append(sc.out, '}'))
	case bids == 0 && len(sc.resp.Ads) > 0:
		s.noBid(q.ctx, serving.ReasonFormat)
	case bids == 0:
		s.noBid(q.ctx, sc.resp.Reason)
	default:
		s.send(q.ctx, sc.out)
	}
}

// noBid answers 204 with a counted reason.
func (s *Server) noBid(ctx *fasthttp.RequestCtx, reason serving.Reason) {
	s.stats.noAd(serving.DoorOpenRTB, reason)
	ctx.Response.Header.Set("X-Openrtb-Version", "2.6")
	ctx.Response.Header.Set("X-No-Bid-Reason", reason.String())
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// device reads what the feed says about the device; a user agent is read only
// where the system is not named.
func device(agents *openrtb.Agents, req *serving.Request) {
	if req.OS == targeting.OSUnknown && len(req.UserAgent) > 0 {
		req.OS, req.OSVersion = agents.Of(req.UserAgent)
	}
}
