package openrtb

import (
	"errors"

	"mazad/api/ads/scan"
	"mazad/internal/money"
	"mazad/serving"
)

// impression collects the members of the imp being read, in whatever order they
// come.
type impression struct {
	instl    bool
	pmpOnly  bool // a private auction: only its deals may bid
	floor    money.Nanos
	currency []byte

	bannerW, bannerH int64
	sizes            int  // that are fixed
	flexible         bool // a format given by its ratio
	noHTML           bool // banner.btype blocks XHTML banners

	mp4       bool // video.mimes has a type we serve
	inline    bool // video.protocols has an inline VAST
	nonlinear bool

	native nativeNeeds
}

// imps reads the array of impressions.
func (d *Decoder) imps() {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		if i == MaxImps {
			c.Many(MaxImps)
		} else {
			d.one()
		}
		if c.Failed() {
			c.InItem(i)
			return
		}
	}
}

// next returns an empty Imp, with the memory of an earlier one.
func (d *Decoder) next() *Imp {
	n := len(d.Imps)
	if n < cap(d.Imps) {
		d.Imps = d.Imps[:n+1]
		d.Imps[n] = Imp{Slot: -1, Assets: d.Imps[n].Assets[:0]}
	} else {
		d.Imps = append(d.Imps, Imp{Slot: -1})
	}
	return &d.Imps[n]
}

// one reads an impression and offers it as a slot when it can be sold.
func (d *Decoder) one() {
	imp, n := d.next(), len(d.req.Slots)
	slot := &d.spare
	if n < serving.MaxSlots {
		slot = d.req.AddSlot()
	} else {
		*slot = serving.Slot{Sizes: slot.Sizes[:0]}
	}
	d.imp = impression{currency: usd}
	d.members(imp, slot)
	if d.c.Failed() {
		return
	}
	d.completeImp(imp)
	imp.Reason = d.sellable(imp, slot)
	if imp.Reason == serving.ReasonNone && n == serving.MaxSlots {
		imp.Reason = serving.ReasonNoSlot
	}
	if imp.Reason != serving.ReasonNone {
		d.req.Slots = d.req.Slots[:n]
		return
	}
	imp.Slot, slot.ID, slot.Floor = n, imp.ID, d.imp.floor
}

// usd is the currency of a floor that names none.
var usd = []byte("USD")

func (d *Decoder) members(imp *Imp, slot *serving.Slot) {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "id":
			imp.ID = c.Str(MaxID)
		case "banner":
			imp.Media |= Banner
			d.banner(slot)
		case "video":
			imp.Media |= Video
			d.video(imp, slot)
		case "audio":
			imp.Media |= Audio
			d.audio()
		case "native":
			imp.Media |= Native
			d.native(imp, slot)
		case "instl":
			d.imp.instl = c.Flag()
		case "secure":
			if c.Flag() {
				d.req.Secure = true
			}
		case "bidfloor":
			d.imp.floor = d.price()
		case "bidfloorcur":
			d.imp.currency = c.Str(MaxText)
		case "pmp":
			d.pmp()
		case "metric":
			d.metrics()
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

// price reads a price per thousand, rounded up to the next micro.
func (d *Decoder) price() money.Nanos {
	c := &d.c
	raw := c.Number()
	if c.Failed() {
		return 0
	}
	cpm, err := money.ParseCPMMicros(text(raw), false)
	switch {
	case raw[0] == '-' && (cpm < 0 || err != nil):
		c.Fail(scan.OutOfRange, "at least 0")
	case errors.Is(err, money.ErrPrecision) && cpm < money.MaxMicros:
		cpm++
	case err != nil:
		c.Fail(scan.OutOfRange, "at most "+money.MaxMicros.String())
	}
	return cpm.CPM()
}

// completeImp checks the rules that need the whole impression.
func (d *Decoder) completeImp(imp *Imp) {
	c := &d.c
	switch {
	case len(imp.ID) == 0:
		c.FailAt("id", scan.Missing, "a string that is not empty")
	case imp.Media == 0:
		c.FailAt("banner", scan.Missing, "at least one of banner, video, audio and native")
	case imp.Media&Banner != 0 && !d.imp.instl && d.imp.sizes == 0 && !d.imp.flexible:
		c.FailAt("banner", scan.Missing, "w and h, or elements of format")
	}
}

// sellable narrows what the impression may be answered with to what we serve,
// and says why nothing is left.
func (d *Decoder) sellable(imp *Imp, slot *serving.Slot) serving.Reason {
	in := &d.imp
	switch {
	case d.c.Failed() || in.pmpOnly:
		return serving.ReasonUnsupported
	case in.floor > 0 && string(in.currency) != string(d.cfg.Currency):
		return serving.ReasonCurrency
	}
	var sold Media
	if imp.Media&Banner != 0 && !in.noHTML && (in.sizes > 0 || in.instl) {
		sold |= Banner
		slot.Formats |= serving.FormatImage
	}
	if imp.Media&Video != 0 && in.mp4 && in.inline && !in.nonlinear {
		sold |= Video
		slot.Formats |= serving.FormatVideo
	}
	if imp.Media&Native != 0 && in.native.answerable {
		sold |= Native
		slot.Formats |= serving.FormatNative
		slot.MinSize = in.native.minSize
		slot.NeedsVideo = in.native.video
	}
	imp.Media = sold
	if sold == 0 {
		return serving.ReasonUnsupported
	}
	return serving.ReasonNone
}

// banner reads the sizes that fit.
func (d *Decoder) banner(slot *serving.Slot) {
	c, in := &d.c, &d.imp
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "w":
			in.bannerW = c.Int(0, maxCount)
		case "h":
			in.bannerH = c.Int(0, maxCount)
		case "format":
			c.Array()
			for i := 0; c.Item(); i++ {
				if d.format(slot); c.Failed() {
					c.InItem(i)
				}
			}
		case "btype":
			c.Array()
			for i := 0; c.Item(); i++ {
				if c.Int(0, maxCount) == 2 { // XHTML banner ads, which ours are
					in.noHTML = true
				}
				if c.Failed() {
					c.InItem(i)
				}
			}
		case "wmin", "wmax", "hmin", "hmax":
			c.Int(0, maxCount) // deprecated; sizes are needed beside them
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	d.size(slot, in.bannerW, in.bannerH)
}

// size adds a fixed size; those beyond the limit are left out.
func (d *Decoder) size(slot *serving.Slot, w, h int64) {
	if w <= 0 || h <= 0 || w > maxDim || h > maxDim {
		return
	}
	d.imp.sizes++
	if len(slot.Sizes) < serving.MaxSizes {
		slot.Sizes = append(slot.Sizes, serving.Size{W: uint16(w), H: uint16(h)})
	}
}

// format reads an element of banner.format: {w, h} or {wmin, wratio, hratio}.
func (d *Decoder) format(slot *serving.Slot) {
	c := &d.c
	var w, h, ratio int64
	var fixed, flexible bool
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "w":
			w, fixed = c.Int(0, maxCount), true
		case "h":
			h, fixed = c.Int(0, maxCount), true
		case "wratio", "hratio", "wmin":
			ratio, flexible = ratio+c.Int(0, maxCount), true
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	switch {
	case fixed && flexible && w|h != 0 && ratio != 0:
		c.FailAt("w", scan.Invalid, "either w and h, or wmin, wratio and hratio")
	case fixed && (w == 0 || h == 0):
		c.FailAt("w", scan.Missing, "w and h greater than 0")
	case fixed:
		d.size(slot, w, h)
	case flexible:
		d.imp.flexible = true
	}
}

// pmp reads whether only deals may bid; we have none yet.
func (d *Decoder) pmp() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		if string(key) == "private_auction" {
			d.imp.pmpOnly = c.Flag()
		} else {
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
}

// metrics checks that each metric says of what type it is.
func (d *Decoder) metrics() {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		named := false
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			if string(key) == "type" {
				named = len(c.Str(MaxText)) > 0
			} else {
				c.Skip()
			}
			if c.Failed() {
				c.In(key)
			}
		}
		if !named {
			c.FailAt("type", scan.Missing, "a string that is not empty")
		}
		if c.Failed() {
			c.InItem(i)
		}
	}
}
