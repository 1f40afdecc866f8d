package ads

import (
	"bytes"
	"errors"
	"time"

	"mazad/api/ads/scan"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/serving"
)

// eventDecoder reads {"events":[...]} or the array alone. It is part of a scratch:
// what it holds is valid until the request is answered.
type eventDecoder struct {
	c        scan.Cursor
	one      *scan.Cursor // of an item; a new one after a fault or an escape, which keep its memory
	now      time.Time
	who      Principal
	known    AdvertiserChecker
	events   []event
	beacons  []serving.Beacon // those of events, in their order
	receipts []serving.Receipt
}

// reset forgets the last batch: nothing of a sender stays behind for the next.
func (d *eventDecoder) reset(now time.Time, who Principal, known AdvertiserChecker) {
	clear(d.events)
	clear(d.beacons)
	clear(d.receipts)
	d.now, d.who, d.known = now, who, known
	d.events, d.beacons, d.receipts = d.events[:0], d.beacons[:0], d.receipts[:0]
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
	if d.one == nil {
		d.one = &scan.Cursor{}
	}
	c := d.one
	c.Reset(raw)
	v := &e.conversion
	v.Advertiser = d.who.Advertiser
	kind := eventNone
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "type":
			if kind = kindOf(c.Str(maxName)); kind == eventNone {
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
		e.fault, d.one = c.Fault(), nil
	} else if bytes.IndexByte(raw, '\\') >= 0 {
		d.one = nil
	}
	return e
}

// eventKind is the type of an item.
type eventKind uint8

const (
	eventNone eventKind = iota
	eventImpression
	eventClick
	eventView
	eventPurchase
	eventInstall
	eventCustom
)

func kindOf(name []byte) eventKind {
	switch string(name) {
	case "impression":
		return eventImpression
	case "click":
		return eventClick
	case "view":
		return eventView
	case "purchase":
		return eventPurchase
	case "install":
		return eventInstall
	case "custom":
		return eventCustom
	}
	return eventNone
}

// beaconOf marks the item as a beacon of the signal.
func (e *event) beaconOf(c *scan.Cursor, s serving.Signal) {
	e.isBeacon, e.beacon.Signal = true, s
	if len(e.beacon.Token) == 0 {
		c.FailAt("token", scan.Missing, "the last part of the tracking URL")
	}
}

// complete checks the rules that need the whole item.
func (d *eventDecoder) complete(c *scan.Cursor, kind eventKind, e *event) {
	v := &e.conversion
	switch kind {
	case eventNone:
		c.FailAt("type", scan.Missing, "impression, click, view, purchase, install or custom")
		return
	case eventImpression:
		e.beaconOf(c, serving.SignalImpression)
		return
	case eventClick:
		e.beaconOf(c, serving.SignalClick)
		return
	case eventView:
		e.beaconOf(c, serving.SignalView)
		return
	case eventPurchase:
		if v.Name == "" {
			v.Name = "COMPLETE_PAYMENT"
		}
	case eventInstall:
		if v.Name == "" {
			v.Name = "INSTALL"
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
