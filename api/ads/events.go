package ads

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"mazad/api/ads/scan"
	"mazad/serving"

	"github.com/valyala/fasthttp"
)

// Limits of one batch of events.
const (
	maxEvents  = 100
	maxName    = 64  // bytes of an event name
	maxEventID = 128 // bytes of the sender's event id

	// A conversion is attributed to clicks of the last seven days; what is
	// older than this is a mistake of the sender.
	oldestEvent = 28 * 24 * time.Hour
	clockSkew   = 10 * time.Minute // how far ahead a sender's clock may be
)

// event is one item of a batch: a beacon or a conversion.
type event struct {
	beacon     serving.Beacon
	conversion serving.Conversion
	isBeacon   bool
	unsure     bool // whether its advertiser exists cannot be told now
	receipt    serving.Receipt
	fault      *scan.Fault
}

// events answers POST /v1/events: each item is judged for itself.
func (s *Server) events(ctx *fasthttp.RequestCtx) {
	if !s.allow(ctx, fasthttp.MethodPost) {
		return
	}
	who, ok := s.authorize(ctx, KeyEvent, false)
	if !ok {
		return
	}
	if !s.ackGate.enter() {
		s.stats.shedBeacons.Add(1)
		s.overload(ctx, "too many events are waiting")
		return
	}
	defer s.ackGate.leave()
	sc := s.take()
	defer s.give(sc)
	body, ok := s.body(ctx, sc, s.limits.EventsBytes)
	if !ok {
		return
	}
	d := &sc.events
	d.reset(s.clock.Now(), who, s.cfg.Advertisers)
	if f := d.batch(body); f != nil {
		s.fault(ctx, f)
		return
	}
	s.confirmAll(d, d.events)
	s.answerEvents(ctx, d.events)
}

// confirmAll judges the beacons together and the conversions side by side, so
// that all share one write to the disk instead of waiting for one each.
func (s *Server) confirmAll(d *eventDecoder, events []event) {
	wait, cancel := context.WithTimeout(s.beacons, s.limits.BeaconWait)
	defer cancel()
	var all sync.WaitGroup
	for i := range events {
		e := &events[i]
		switch {
		case e.fault != nil:
		case e.unsure:
			e.receipt.Status = serving.BeaconOverload
		case e.isBeacon:
			d.beacons = append(d.beacons, e.beacon)
		default:
			all.Go(func() { e.convert(wait, s.cfg.Confirm) })
		}
	}
	d.receipts = slices.Grow(d.receipts, len(d.beacons))[:len(d.beacons)]
	s.cfg.Confirm.ConfirmAll(wait, d.beacons, d.receipts)
	all.Wait()
	n := 0
	for i := range events {
		if e := &events[i]; e.isBeacon && e.fault == nil && !e.unsure {
			e.receipt = d.receipts[n]
			s.stats.beacons[e.beacon.Signal][e.receipt.Status].Add(1)
			n++
		}
	}
}

// convert records a conversion. A click id that is not ours is a mistake of the
// sender: without it the conversion would silently count for no ad.
func (e *event) convert(ctx context.Context, c serving.Confirmer) {
	if e.receipt = c.Convert(ctx, &e.conversion); e.receipt.Status == serving.BeaconForged && !e.conversion.Relayed {
		var fault scan.Cursor
		fault.Reset(nil)
		fault.FailAt("click_id", scan.Invalid, "the mzclid of a landing page URL, unchanged, or absent")
		e.fault = fault.Fault()
	}
}

// answerEvents answers one result per item, in their order. When nothing but
// overload came out, the whole batch is to be sent again.
func (s *Server) answerEvents(ctx *fasthttp.RequestCtx, events []event) {
	out := []byte(`,"results":[`)
	good, busy := 0, 0
	for i := range events {
		e := &events[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"index":`...)
		out = strconv.AppendInt(out, int64(i), 10)
		switch {
		case e.fault != nil:
			out = appendFault(append(out, `,"status":"invalid","errors":[{`...), e.fault)
			out = append(out, `}]}`...)
			continue
		case e.receipt.Status == serving.BeaconOverload:
			busy++
		case e.receipt.Status != serving.BeaconForged:
			good++
		}
		out = append(append(out, `,"status":"`...), e.receipt.Status.String()...)
		if !e.receipt.EventID.IsZero() {
			out = e.receipt.EventID.Append(append(out, `","event_id":"`...))
		}
		out = append(out, `"}`...)
	}
	if busy == len(events) {
		s.stats.shedBeacons.Add(uint64(busy))
		s.notStored(ctx, "the events could not be stored in time: send the batch again")
		return
	}
	head := `{"code":0,"message":"OK"`
	if good < len(events) {
		head = `{"code":` + strconv.Itoa(codePartial) + `,"message":"some items were not accepted"`
	}
	s.send(ctx, append(append([]byte(head), out...), `]}`...))
}
