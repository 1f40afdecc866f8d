package ads

import (
	"errors"
	"time"
	"unsafe"

	"mazad/api/ads/openrtb"
	"mazad/api/ads/scan"
	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/serving"
	"mazad/targeting"
)

// Limits of one feed request, beyond those of serving.Request.
const (
	maxWord     = 128 // bytes of a hashtag, sound, category
	maxRequest  = 128 // bytes of request_id
	maxDuration = 24 * 3600 * 1000
	oldest      = 1900 // year of birth
)

// feedDecoder reads the body of POST /v1/ads.
type feedDecoder struct {
	c      scan.Cursor
	agents *openrtb.Agents
	req    *serving.Request
	now    time.Time
	word   []byte

	slots int
	slot  serving.Slot
}

// text views b as a string without copying; only for callees that do not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// decode fills req, which must be reset, and keeps body until the next call.
func (d *feedDecoder) decode(body []byte, now time.Time, req *serving.Request) bool {
	d.c.Reset(body)
	d.req, d.now, d.slots = req, now, 1
	d.slot = serving.Slot{Formats: serving.FormatVideo | serving.FormatImage | serving.FormatCarousel}
	req.Door, req.Placement = serving.DoorFeed, targeting.PlacementFeed
	d.request()
	d.c.End()
	if d.c.Failed() {
		return false
	}
	for i := range d.slots {
		slot := req.AddSlot()
		sizes := slot.Sizes
		*slot = d.slot
		slot.ID, slot.Sizes = slotIDs[i], sizes
	}
	device(d.agents, req)
	if req.Country != 0 {
		req.Signals.Country = [2]byte{byte(req.Country >> 8), byte(req.Country)}
	}
	return true
}

// slotIDs name the slots of a feed request, by position.
var slotIDs = func() (ids [serving.MaxSlots][]byte) {
	for i := range ids {
		ids[i] = []byte(slotDigits[i])
	}
	return ids
}()

func (d *feedDecoder) request() {
	c, req := &d.c, d.req
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "request_id":
			req.ID = c.Str(maxRequest)
		case "user_id":
			req.UserID = c.Str(serving.MaxUserID)
		case "session_id":
			req.Session = c.Str(serving.MaxSession)
		case "slots":
			d.slots = int(c.Int(1, serving.MaxSlots))
		case "floor_cpm":
			d.slot.Floor = d.floor()
		case "formats":
			d.formats()
		case "min_duration_ms":
			d.slot.MinDurationMS = uint32(c.Int(0, maxDuration))
		case "max_duration_ms":
			d.slot.MaxDurationMS = uint32(c.Int(0, maxDuration))
		case "context":
			d.context()
		case "recent_ads":
			d.recent()
		case "consent":
			d.consent()
		case "device":
			d.device()
		case "test":
			req.Test = c.Bool()
		default:
			if !d.person(key) && !d.deviceMember(key) {
				c.Skip()
			}
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	switch {
	case d.slot.MaxDurationMS != 0 && d.slot.MaxDurationMS < d.slot.MinDurationMS:
		c.FailAt("max_duration_ms", scan.Invalid, "at least min_duration_ms")
	case req.Region != 0 && req.Country == 0:
		req.Country = req.Region.Country()
	case req.Region != 0 && req.Region.Country() != req.Country:
		c.FailValue("region", scan.Invalid, req.Region.String(), "a region of the country")
	}
}

// person reads who is asking and where; false for a member of another kind.
func (d *feedDecoder) person(key []byte) bool {
	c, req := &d.c, d.req
	var err error
	switch string(key) {
	case "age":
		d.age(uint8(c.Int(0, audience.MaxAge)))
	case "birth_year":
		// The youngest that the year allows: a birthday may still come.
		year := c.Int(oldest, int64(d.now.Year()))
		d.age(uint8(min(max(int64(d.now.Year())-year-1, 1), audience.MaxAge)))
	case "gender":
		d.gender()
	case "language":
		req.Language, err = targeting.ParseLanguage(text(c.Str(2)))
		d.parsed(err, "two lower-case letters of ISO 639-1, as \"de\"")
	case "country":
		req.Country, err = targeting.ParseCountry(text(c.Str(2)))
		d.parsed(err, "two capital letters of ISO 3166-1, as \"DE\"")
	case "region":
		req.Region, err = targeting.ParseRegion(text(c.Str(6)))
		d.parsed(err, "a code of ISO 3166-2, as \"DE-BE\"")
	case "city":
		req.City = targeting.City(c.Int(0, 1<<32-1))
	case "placement":
		d.placement()
	default:
		return false
	}
	return true
}

// parsed reports a value that has the right type but cannot be read.
func (d *feedDecoder) parsed(err error, limit string) {
	if err != nil {
		d.c.Fail(scan.Invalid, limit)
	}
}

// age keeps the lower of two that are given.
func (d *feedDecoder) age(years uint8) {
	if have := &d.req.Signals.Age; years != 0 && (*have == 0 || years < *have) {
		*have = years
	}
}

func (d *feedDecoder) gender() {
	switch string(d.c.Str(maxWord)) {
	case "male", "GENDER_MALE":
		d.req.Gender = targeting.Male
	case "female", "GENDER_FEMALE":
		d.req.Gender = targeting.Female
	case "unknown", "GENDER_UNLIMITED":
	default:
		d.c.Fail(scan.Unknown, "male, female or unknown")
	}
}

func (d *feedDecoder) placement() {
	switch string(d.c.Str(maxWord)) {
	case "feed", "PLACEMENT_FEED":
		d.req.Placement = targeting.PlacementFeed
	case "search", "PLACEMENT_SEARCH":
		d.req.Placement = targeting.PlacementSearch
	case "live", "PLACEMENT_LIVE":
		d.req.Placement = targeting.PlacementLive
	case "profile", "PLACEMENT_PROFILE":
		d.req.Placement = targeting.PlacementProfile
	default:
		d.c.Fail(scan.Unknown, "feed, search, live or profile")
	}
}

// floor reads a price per thousand, as a number or as a string of one, rounded
// up to the next micro.
func (d *feedDecoder) floor() money.Nanos {
	c := &d.c
	var raw []byte
	if c.Kind() == scan.String {
		raw = c.Str(40)
	} else {
		raw = c.Number()
	}
	if c.Failed() {
		return 0
	}
	cpm, err := money.ParseCPMMicros(text(raw), false)
	switch {
	case errors.Is(err, money.ErrSyntax):
		c.Fail(scan.Invalid, "a decimal number")
	case cpm < 0 || err != nil && len(raw) > 0 && raw[0] == '-':
		c.Fail(scan.OutOfRange, "at least 0")
	case errors.Is(err, money.ErrPrecision) && cpm < money.MaxMicros:
		cpm++
	case err != nil:
		c.Fail(scan.OutOfRange, "at most "+money.MaxMicros.String())
	}
	return cpm.CPM()
}

func (d *feedDecoder) formats() {
	c := &d.c
	d.slot.Formats = 0
	c.Array()
	for i := 0; c.Item(); i++ {
		switch string(c.Str(maxWord)) {
		case "video":
			d.slot.Formats |= serving.FormatVideo
		case "image":
			d.slot.Formats |= serving.FormatImage
		case "carousel":
			d.slot.Formats |= serving.FormatCarousel
		default:
			c.Fail(scan.Unknown, "video, image or carousel")
		}
		if c.Failed() {
			c.InItem(i)
			return
		}
	}
	if d.slot.Formats == 0 {
		c.Fail(scan.Missing, "at least one of video, image and carousel")
	}
}

// recent reads the ads that were just shown.
func (d *feedDecoder) recent() {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		ad, err := id.Parse[id.Ad](text(c.Str(19)))
		d.parsed(err, "an ad id: a decimal number in a string")
		if i == serving.MaxRecent {
			c.Many(serving.MaxRecent)
		}
		if c.Failed() {
			c.InItem(i)
			return
		}
		d.req.Recent = append(d.req.Recent, ad)
	}
}

// consent reads what the user permits. Of what is said twice the more
// restrictive counts, so that two readers of one document cannot disagree.
func (d *feedDecoder) consent() {
	c, sig := &d.c, &d.req.Signals
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "personalized_ads":
			if !c.Bool() {
				sig.Consent = audience.ConsentDenied
			} else if sig.Consent == audience.ConsentUnknown {
				sig.Consent = audience.ConsentGranted
			}
		case "gdpr":
			sig.GDPR = c.Bool() || sig.GDPR
		case "gpc":
			sig.GPC = c.Bool() || sig.GPC
		case "lmt":
			sig.LMT = c.Bool() || sig.LMT
		case "coppa":
			sig.COPPA = c.Bool() || sig.COPPA
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}
