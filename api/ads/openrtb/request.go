package openrtb

import (
	"time"
	"unsafe"

	"mazad/api/ads/scan"
	"mazad/internal/money"
	"mazad/serving"
	"mazad/targeting"
)

// Limits of one bid request, beyond those of serving.Request.
const (
	MaxImps     = 100 // the first serving.MaxSlots sellable ones are offered
	MaxID       = 256 // bytes of request and impression ids
	MaxAssets   = 32  // per native impression
	MaxText     = 8192
	maxElements = 1024 // of any list that is read
	maxDim      = 65535
	maxCount    = 1 << 31
)

// Media is a set of the objects that an impression has.
type Media uint8

// The media.
const (
	Banner Media = 1 << iota
	Video
	Audio
	Native
)

// Imp is what the encoder must know of an impression, and why it is not sold.
type Imp struct {
	ID       []byte
	Slot     int            // index into serving.Request.Slots; -1 = not sold
	Reason   serving.Reason // why it is not sold
	Media    Media          // what may be answered
	Protocol uint8          // video: highest VAST inline protocol of the specification's list 5.8; 0 = any
	Wrapped  bool           // native: the markup's root is an object "native"
	Trackers bool           // native: event trackers (1.2) instead of imptrackers
	Assets   []Asset
}

// Config is fixed for the life of a decoder.
type Config struct {
	Currency money.Currency // of the market: other floors and responses are not sold
	Seat     string         // our buyer seat, for wseat and bseat; empty = not checked
	Agents   *Agents        // reads user agents where device.os is absent
}

// Decoder reads bid requests. Its memory, and with it everything decoded, is
// valid until the next Decode.
type Decoder struct {
	Imps   []Imp
	TMaxMS uint32         // 0 = not given
	Reason serving.Reason // why no impression is sold, when Slots is empty

	cfg    *Config
	c      scan.Cursor
	n      scan.Cursor // native.request, a document inside the document
	now    time.Time
	req    *serving.Request
	spare  serving.Slot // takes what is read of impressions beyond MaxSlots
	word   []byte       // prefix + value of a tag
	imp    impression
	refuse serving.Reason // applies to every impression
	source uint8          // how many of site, app, dooh were there
	place  bool           // site.id or site.page was there
	site   bool
	region []byte
	agent  []byte
}

// NewDecoder returns a decoder that allocates on its first requests only.
func NewDecoder(cfg *Config) *Decoder { return &Decoder{cfg: cfg} }

// Fault says why Decode returned false.
func (d *Decoder) Fault() *scan.Fault { return d.c.Fault() }

// text views b as a string without copying; only for callees that do not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Decode reads body into req, which must be reset; it retains both until the
// next call. When the request is in order but nothing can be sold, Slots is
// empty and Reason says why.
func (d *Decoder) Decode(body []byte, now time.Time, req *serving.Request) bool {
	d.c.Reset(body)
	d.Imps, d.TMaxMS, d.Reason, d.refuse = d.Imps[:0], 0, serving.ReasonNone, serving.ReasonNone
	d.now, d.req, d.source, d.place, d.site = now, req, 0, false, false
	d.region, d.agent = nil, nil
	req.Door, req.Placement = serving.DoorOpenRTB, targeting.PlacementExchange
	if d.c.Kind() == scan.Null {
		d.c.Skip()
		d.c.FailAt("id", scan.Missing, "")
		return false
	}
	d.request()
	d.c.End()
	if d.c.Failed() {
		return false
	}
	d.finish()
	return true
}

func (d *Decoder) request() {
	c, req := &d.c, d.req
	imps := false
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "id":
			req.ID = c.Str(MaxID)
		case "imp":
			imps = true
			d.imps()
		case "site":
			d.channel(true)
		case "app", "dooh":
			d.channel(false)
		case "device":
			d.device()
		case "user":
			d.user()
		case "regs":
			d.regs()
		case "test":
			req.Test = c.Flag()
		case "at":
			c.Int(0, maxCount)
		case "tmax":
			d.TMaxMS = uint32(c.Int(0, maxCount))
		case "cur":
			d.currencies()
		case "bcat":
			req.BlockedCategories = d.blocked(req.BlockedCategories)
		case "badv":
			req.BlockedDomains = d.blocked(req.BlockedDomains)
		case "wseat":
			d.seats(true)
		case "bseat":
			d.seats(false)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	d.whole(imps)
}

// whole checks the rules that need the whole request.
func (d *Decoder) whole(imps bool) {
	c := &d.c
	switch {
	case c.Failed():
	case len(d.req.ID) == 0:
		c.FailAt("id", scan.Missing, "a string that is not empty")
	case !imps || len(d.Imps) == 0:
		c.FailAt("imp", scan.Missing, "at least one element")
	case d.source == 0:
		c.FailAt("site", scan.Missing, "one of site, app or dooh")
	case d.source > 1:
		c.FailAt("site", scan.Invalid, "no more than one of site, app and dooh")
	case d.site && !d.place:
		c.FailAt("site", scan.Missing, "at least one of site.id and site.page")
	}
	for i := range d.Imps {
		for j := range i {
			if string(d.Imps[i].ID) == string(d.Imps[j].ID) && !c.Failed() {
				c.FailValue("id", scan.Duplicate, string(d.Imps[i].ID), "unique among the impressions")
				c.InItem(i)
				c.In([]byte("imp"))
			}
		}
	}
}

// finish applies what holds for the whole request, whatever the order of its
// members was.
func (d *Decoder) finish() {
	req := d.req
	if d.refuse != serving.ReasonNone {
		req.Slots = req.Slots[:0]
		for i := range d.Imps {
			d.Imps[i].Slot, d.Imps[i].Reason = -1, d.refuse
		}
	}
	if len(req.Slots) == 0 {
		d.Reason = d.Imps[0].Reason
	}
	if req.OS == targeting.OSUnknown && len(d.agent) > 0 {
		req.OS, req.OSVersion = d.cfg.Agents.Of(d.agent)
	}
	req.Region = d.regionOf(req.Country, d.region)
	if req.Country != 0 {
		req.Signals.Country = [2]byte{byte(req.Country >> 8), byte(req.Country)}
	}
}

// currencies reads cur: the currencies in which bids are taken.
func (d *Decoder) currencies() {
	c := &d.c
	any, ours := false, false
	c.Array()
	for i := 0; c.Item(); i++ {
		any = true
		ours = string(c.Str(MaxText)) == string(d.cfg.Currency) || ours
		if c.Failed() {
			c.InItem(i)
		}
	}
	if any && !ours {
		d.refuse = serving.ReasonCurrency
	}
}

func (d *Decoder) seats(allowed bool) {
	c := &d.c
	any, ours := false, false
	c.Array()
	for i := 0; c.Item(); i++ {
		any = true
		ours = string(c.Str(MaxText)) == d.cfg.Seat || ours
		if c.Failed() {
			c.InItem(i)
		}
	}
	if any && d.cfg.Seat != "" && ours != allowed {
		d.refuse = serving.ReasonUnsupported
	}
}

// blocked appends the hashes of a block list. A list that is too long is
// refused: to forget a part of it would break the publisher's rules.
func (d *Decoder) blocked(to []uint64) []uint64 {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		to = append(to, uint64(targeting.TagOf(c.Str(MaxText))))
		if i == serving.MaxBlocked {
			c.Many(serving.MaxBlocked)
		}
		if c.Failed() {
			c.InItem(i)
		}
	}
	return to
}
