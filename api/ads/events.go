package ads

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"mazad/api/ads/scan"
	"mazad/internal/id"
	"mazad/internal/money"
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
	d := eventDecoder{now: s.clock.Now(), who: who, known: s.cfg.Advertisers}
	if f := d.batch(body); f != nil {
		s.fault(ctx, f)
		return
	}
	s.confirmAll(d.events)
	s.answerEvents(ctx, d.events)
}

// confirmAll judges the items side by side, so that they share one write to the
// disk instead of waiting for one each.
func (s *Server) confirmAll(events []event) {
	wait, cancel := context.WithTimeout(s.beacons, s.limits.BeaconWait)
	defer cancel()
	var all sync.WaitGroup
	for i := range events {
		e := &events[i]
		if e.fault != nil {
			continue
		}
		if e.unsure {
			e.receipt.Status = serving.BeaconOverload
			continue
		}
		all.Go(func() {
			if !e.isBeacon {
				e.convert(wait, s.cfg.Confirm)
				return
			}
			e.receipt = s.cfg.Confirm.Confirm(wait, &e.beacon)
			s.stats.beacons[e.beacon.Signal][e.receipt.Status].Add(1)
		})
	}
	all.Wait()
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

// eventDecoder reads {"events":[...]} or the array alone.
type eventDecoder struct {
	c      scan.Cursor
	now    time.Time
	who    Principal
	known  AdvertiserChecker
	events []event
}

func (d *eventDecoder) batch(body []byte) *scan.Fault {
	c := &d.c
	c.Reset(body)
	if c.Kind() == scan.Array {
		d.items(body)
	} else {
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			if string(key) == "events" {
				d.items(body)
			} else {
				c.Skip()
			}
			if c.Failed() {
				c.In(key)
			}
		}
	}
	c.End()
	if len(d.events) == 0 {
		c.FailAt("events", scan.Missing, "at least one element")
	}
	if c.Failed() {
		return c.Fault()
	}
	return nil
}

// items steps over each element, which checks its syntax, and reads it with a
// cursor of its own: a fault stays inside its item.
func (d *eventDecoder) items(body []byte) {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		if i == maxEvents {
			c.Many(maxEvents)
			return
		}
		from := c.Pos()
		if c.Skip(); c.Failed() {
			c.InItem(i)
			return
		}
		d.events = append(d.events, d.item(body[from:c.Pos()]))
	}
}

// item reads one element.
func (d *eventDecoder) item(raw []byte) (e event) {
	c := &scan.Cursor{}
	c.Reset(raw)
	v := &e.conversion
	v.Advertiser = d.who.Advertiser
	kind := ""
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "type":
			kind = string(c.Str(maxName))
			if !knownType(kind) {
				c.Fail(scan.Unknown, "impression, click, view, purchase, install or custom")
			}
		case "token":
			e.beacon.Token = c.Str(maxToken)
		case "event":
			v.Name = string(c.Str(maxName))
		case "event_id":
			v.EventID = string(c.Str(maxEventID))
		case "click_id":
			v.ClickToken = c.Str(maxToken)
		case "user_id":
			v.UserID = string(c.Str(serving.MaxUserID))
		case "advertiser_id":
			d.advertiser(c, &e)
		case "timestamp":
			v.TimeMS = d.timestamp(c)
		case "value":
			v.Value = amount(c)
		case "currency":
			cur, err := money.ParseCurrency(string(c.Str(8)))
			if v.Currency = cur; err != nil {
				c.Fail(scan.Unknown, "an ISO 4217 code that we support")
			}
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
	d.complete(c, kind, &e)
	if c.Failed() {
		e.fault = c.Fault()
	}
	return e
}

func knownType(kind string) bool {
	switch kind {
	case "impression", "click", "view", "purchase", "install", "custom":
		return true
	}
	return false
}

// complete checks the rules that need the whole item.
func (d *eventDecoder) complete(c *scan.Cursor, kind string, e *event) {
	v := &e.conversion
	switch kind {
	case "":
		c.FailAt("type", scan.Missing, "impression, click, view, purchase, install or custom")
		return
	case "impression", "click", "view":
		e.isBeacon = true
		e.beacon.Signal = map[string]serving.Signal{"impression": serving.SignalImpression, "click": serving.SignalClick, "view": serving.SignalView}[kind]
		if len(e.beacon.Token) == 0 {
			c.FailAt("token", scan.Missing, "the last part of the tracking URL")
		}
		return
	case "purchase", "install":
		if v.Name == "" {
			v.Name = map[string]string{"purchase": "COMPLETE_PAYMENT", "install": "INSTALL"}[kind]
		}
	}
	if v.TimeMS == 0 {
		v.TimeMS = d.now.UnixMilli()
	}
	switch {
	case v.Name == "":
		c.FailAt("event", scan.Missing, "the name of the custom event")
	case v.EventID == "":
		c.FailAt("event_id", scan.Missing, "your id of the event; repeats of it within 48 hours count once")
	case v.Value != 0 && v.Currency == "":
		c.FailAt("currency", scan.Missing, "the currency of value")
	case v.Advertiser == 0 && len(v.ClickToken) == 0:
		c.FailAt("advertiser_id", scan.Missing, "the advertiser, or a click_id; your key is not bound to one")
	}
}

// advertiser reads whose conversion it is; a key that is bound to one advertiser
// cannot report for another.
func (d *eventDecoder) advertiser(c *scan.Cursor, e *event) {
	adv, err := id.Parse[id.Advertiser](string(c.Str(19)))
	switch {
	case err != nil:
		c.Fail(scan.Invalid, "a decimal number in a string")
	case d.who.Advertiser != 0 && adv != d.who.Advertiser:
		c.Fail(scan.Invalid, "the advertiser of your key, or absent")
	default:
		e.conversion.Advertiser = adv
		if d.who.Advertiser != 0 || d.known == nil {
			return
		}
		exists, told := d.known.Exists(adv)
		if e.unsure = !told; told && !exists {
			c.Fail(scan.Unknown, "an advertiser of this market")
		}
	}
}

// timestamp reads seconds since 1970 or RFC 3339, and returns milliseconds.
func (d *eventDecoder) timestamp(c *scan.Cursor) int64 {
	var at time.Time
	if c.Kind() == scan.String {
		var err error
		if at, err = time.Parse(time.RFC3339, string(c.Str(64))); err != nil {
			c.Fail(scan.Invalid, "seconds since 1970, or RFC 3339 as \"2026-11-22T10:00:00Z\"")
			return 0
		}
	} else {
		at = time.Unix(c.Int(0, 1<<40), 0)
	}
	if at.Before(d.now.Add(-oldestEvent)) || at.After(d.now.Add(clockSkew)) {
		c.Fail(scan.OutOfRange, "in the last 28 days, in seconds")
		return 0
	}
	return at.UnixMilli()
}

// amount reads a decimal of main units, as a number or as a string of one.
func amount(c *scan.Cursor) money.Nanos {
	var raw []byte
	if c.Kind() == scan.String {
		raw = c.Str(40)
	} else {
		raw = c.Number()
	}
	if c.Failed() {
		return 0
	}
	n, err := money.ParseNanos(text(raw))
	switch {
	case errors.Is(err, money.ErrSyntax):
		c.Fail(scan.Invalid, "a decimal number")
	case n < 0 || err != nil && raw[0] == '-':
		c.Fail(scan.OutOfRange, "at least 0")
	case err != nil:
		c.Fail(scan.OutOfRange, "at most "+largest+" with nine decimals")
	}
	return n
}

var largest = money.MaxNanos.String()
