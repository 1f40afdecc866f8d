package openrtb

import (
	"strconv"

	"mazad/api/ads/scan"
	"mazad/serving"
)

// Asset is one element of a native request that we answer.
type Asset struct {
	ID       int64
	Kind     AssetKind
	Type     int64 // img.type or data.type
	Len      int64 // title and data: characters, 0 = no limit
	Required bool
}

// AssetKind is which of the four objects an asset has.
type AssetKind uint8

// The kinds.
const (
	AssetTitle AssetKind = iota + 1
	AssetImage
	AssetVideo
	AssetData
)

// Types of native assets, lists 7.4 and 7.5 of OpenRTB Native 1.2.
const (
	imageIcon      = 1
	imageMain      = 3
	dataSponsored  = 1
	dataDesc       = 2
	dataDisplayURL = 11
	dataCTA        = 12

	// exchangeSpecific is where the numbers that exchanges may define begin.
	exchangeSpecific = 500
)

// nativeNeeds is what a native request demands of a creative.
type nativeNeeds struct {
	answerable bool
	video      bool // a required video
	minSize    serving.Size
}

// native reads imp.native; its request is a JSON document in a string.
func (d *Decoder) native(imp *Imp, slot *serving.Slot) {
	c := &d.c
	imp.Trackers = true
	asked := false
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "request":
			asked = true
			d.nativeRequest(imp, c.Str(maxCount))
		case "ver":
			ver := c.Str(MaxText)
			imp.Trackers = string(ver) != "1.0" && string(ver) != "1.1"
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if !asked {
		c.FailAt("request", scan.Missing, "a native request as a JSON string")
	}
}

// nativeRequest reads the inner document. A placeholder that is not JSON at all
// makes the impression unsellable; JSON with a fault is the caller's mistake.
func (d *Decoder) nativeRequest(imp *Imp, doc []byte) {
	n := &d.n
	n.Reset(doc)
	if d.c.Failed() || n.Kind() != scan.Object {
		return
	}
	d.imp.native.answerable = true
	d.nativeRoot(imp, true)
	n.End()
	if n.Failed() {
		d.c.Adopt(n.Fault())
	}
}

// nativeRoot reads the request object, or the one inside its root "native" as
// version 1.0 wrote it.
func (d *Decoder) nativeRoot(imp *Imp, outer bool) {
	c := &d.n
	var context, subtype int64
	assets := false
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "native":
			if !outer {
				c.Skip()
				break
			}
			imp.Wrapped = true
			d.nativeRoot(imp, false)
		case "context":
			context = d.listed(0, 3)
		case "contextsubtype":
			subtype = c.Int(0, maxCount)
		case "plcmttype":
			d.listed(0, 4)
		case "assets":
			assets = true
			d.assets(imp)
		case "eventtrackers":
			d.trackers()
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if outer && imp.Wrapped {
		return
	}
	if !assets || len(imp.Assets) == 0 && d.imp.native.answerable {
		c.FailAt("assets", scan.Missing, "at least one element")
	}
	if !subtypeFits(context, subtype) {
		c.FailValue("contextsubtype", scan.Invalid, strconv.FormatInt(subtype, 10), "a subtype of the context: 10-15 content, 20-22 social, 30-32 product, or 500 and above")
	}
}

// subtypeFits checks list 7.2 against list 7.1.
func subtypeFits(context, subtype int64) bool {
	switch {
	case context == 0 || subtype == 0 || context >= exchangeSpecific || subtype >= exchangeSpecific:
		return true
	case subtype >= 10 && subtype <= 15:
		return context == 1
	case subtype >= 20 && subtype <= 22:
		return context == 2
	case subtype >= 30 && subtype <= 32:
		return context == 3
	}
	return false
}

// listed reads a number of a list that exchanges may extend from 500 on.
func (d *Decoder) listed(low, high int64) int64 {
	c := &d.n
	v := c.Int(low, maxCount)
	if v > high && v < exchangeSpecific {
		c.Fail(scan.Unknown, "a number of the list, or 500 and above")
	}
	return v
}

func (d *Decoder) assets(imp *Imp) {
	c := &d.n
	ids := 0
	c.Array()
	for i := 0; c.Item(); i++ {
		if i == MaxAssets {
			c.Many(MaxAssets)
		} else {
			a, hasID := d.asset(int64(i))
			if hasID {
				ids++
			}
			d.keep(imp, a)
		}
		if ids != 0 && ids != i+1 {
			c.FailAt("id", scan.Missing, "an id for every asset or for none")
		}
		if c.Failed() {
			c.InItem(i)
			return
		}
	}
	for i := range imp.Assets {
		for j := range i {
			if imp.Assets[i].ID == imp.Assets[j].ID {
				c.FailValue("id", scan.Duplicate, strconv.FormatInt(imp.Assets[i].ID, 10), "unique among the assets")
				c.InItem(i)
				return
			}
		}
	}
}

// keep remembers an asset and whether we can fill it.
func (d *Decoder) keep(imp *Imp, a Asset) {
	imp.Assets = append(imp.Assets, a)
	if !a.Required {
		return
	}
	switch {
	case a.Kind == AssetVideo:
		d.imp.native.video = true
	case a.Kind == AssetData:
		switch a.Type {
		case dataSponsored, dataDesc, dataDisplayURL, dataCTA:
		default:
			d.imp.native.answerable = false
		}
	}
}

// asset reads one asset; without an id it has its position.
func (d *Decoder) asset(position int64) (a Asset, hasID bool) {
	c := &d.n
	a.ID = position
	objects := 0
	var small serving.Size
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		kind := AssetKind(0)
		switch string(key) {
		case "id":
			a.ID, hasID = c.Int(0, maxCount), true
		case "required":
			a.Required = c.Flag()
		case "title":
			kind = AssetTitle
			d.limited(&a, "len", &a.Len)
		case "img":
			kind = AssetImage
			small = d.image(&a)
		case "video":
			kind = AssetVideo
			d.nativeVideo()
		case "data":
			kind = AssetData
			d.limited(&a, "type", &a.Type)
		default:
			c.Skip()
		}
		if kind != 0 {
			a.Kind = kind
			objects++
		}
		if c.Failed() {
			c.In(key)
			return a, hasID
		}
	}
	if objects != 1 {
		c.FailAt("title", scan.Invalid, "exactly one of title, img, video and data")
	}
	if a.Required && a.Kind == AssetImage {
		d.imp.native.minSize.W = max(d.imp.native.minSize.W, small.W)
		d.imp.native.minSize.H = max(d.imp.native.minSize.H, small.H)
	}
	return a, hasID
}

// limited reads title or data: a length, and of data a type. The member named
// must must be there.
func (d *Decoder) limited(a *Asset, must string, value *int64) {
	c := &d.n
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "len":
			a.Len = c.Int(0, maxCount)
		case "type":
			a.Type = d.listed(0, 12)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if *value == 0 {
		c.FailAt(must, scan.Missing, "a number greater than 0")
	}
}

func (d *Decoder) image(a *Asset) (least serving.Size) {
	c := &d.n
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "type":
			a.Type = d.listed(0, 3)
		case "wmin":
			least.W = uint16(min(c.Int(0, maxCount), maxDim))
		case "hmin":
			least.H = uint16(min(c.Int(0, maxCount), maxDim))
		case "w", "h":
			c.Int(0, maxCount)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
	return least
}

func (d *Decoder) nativeVideo() {
	c := &d.n
	var mimes, protocols int
	var least, most int64
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "mimes":
			mimes, _ = mimesOf(c, "")
		case "minduration":
			least = c.Int(0, maxCount)
		case "maxduration":
			most = c.Int(0, maxCount)
		case "protocols":
			c.Array()
			for ; c.Item(); protocols++ {
				if c.Int(1, knownProtocols); c.Failed() {
					c.InItem(protocols)
				}
			}
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	switch {
	case mimes == 0:
		c.FailAt("mimes", scan.Missing, "at least one MIME type")
	case least == 0:
		c.FailAt("minduration", scan.Missing, "a number greater than 0")
	case most == 0:
		c.FailAt("maxduration", scan.Missing, "a number greater than 0")
	case protocols == 0:
		c.FailAt("protocols", scan.Missing, "at least one protocol")
	}
}

// trackers checks the event trackers asked for. We answer with an impression
// tracker whatever they are.
func (d *Decoder) trackers() {
	c := &d.n
	c.Array()
	for i := 0; c.Item(); i++ {
		var event int64
		methods := 0
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			switch string(key) {
			case "event":
				event = d.listed(1, 4)
			case "methods":
				c.Array()
				for ; c.Item(); methods++ {
					if d.listed(1, 2); c.Failed() {
						c.InItem(methods)
					}
				}
			default:
				c.Skip()
			}
			if c.Failed() {
				c.In(key)
			}
		}
		if event == 0 {
			c.FailAt("event", scan.Missing, "a number greater than 0")
		} else if methods == 0 {
			c.FailAt("methods", scan.Missing, "at least one method")
		}
		if c.Failed() {
			c.InItem(i)
			return
		}
	}
}
