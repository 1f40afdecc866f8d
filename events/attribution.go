package events

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"mazad/internal/id"
)

// Windows of attribution.
const (
	// ClickWindow is how long after a click a conversion is credited to it.
	ClickWindow = 7 * 24 * time.Hour
	// DedupWindow is how long a second report of one event counts as the same.
	DedupWindow = 48 * time.Hour
	// ClockSkew is how much earlier than its click a conversion may claim to be:
	// the advertiser's clock is not ours.
	ClockSkew = 5 * time.Minute
)

// AttributionConfig bounds the memory of an Attribution. Zero means the default.
type AttributionConfig struct {
	MaxClicks      int // clicks remembered, about 300 bytes each; default 200,000
	MaxConversions int // conversions remembered for deduplication, about 60 bytes each; default 1,000,000
}

// Click is a click that a conversion may be credited to.
type Click struct {
	ID        id.Event // its record
	Token     TokenID
	AuctionID id.Event
	TimeMS    int64

	Advertiser id.Advertiser
	Campaign   id.Campaign
	AdGroup    id.AdGroup
	Ad         id.Ad
	Revision   int64
	Day        int32
	Currency   [3]byte
	Country    [2]byte
	Region     uint64
	Language   uint16
	Age        uint8
	Gender     uint8
	OS         uint8
	Placement  uint8
	Universe   uint8
	HasUser    bool
	User       uint32
}

// Sale is a conversion that asks for its click. Name and EventID are not
// retained.
type Sale struct {
	Advertiser id.Advertiser
	Name       []byte
	EventID    []byte // empty: cannot be deduplicated
	TimeMS     int64  // when it happened, by the advertiser's clock
	ReceivedMS int64  // when we heard of it; deduplication goes by this one
	Click      *Token // our click id, opened for UseAttribution; nil = none
	HasUser    bool
	User       uint32 // audience.UserOrd
}

// Credit is the answer to a Sale.
type Credit struct {
	Duplicate bool // reported before within DedupWindow: nothing else is filled in
	Match     Match
	Click     Click // when Match is not MatchNone; ID and TimeMS may be unknown (zero, the auction's)
}

// AttributionStats are the counters of an Attribution.
type AttributionStats struct {
	Clicks, Sales, Duplicates         uint64
	ByToken, ByUser, Unattributed     uint64
	ForeignToken                      uint64 // a click id of another advertiser, ignored
	ClicksEvicted, ConversionsEvicted uint64 // forgotten early because memory was full
	ClicksHeld, ConversionsHeld       int
}

// Attribution credits conversions to clicks: by our click id, else to the last
// click of the same user on the same advertiser, within ClickWindow. It is a
// state machine without a clock: the same calls give the same answers. One
// goroutine at a time.
type Attribution struct {
	clicks clickLog
	seen   dedupLog
	stats  AttributionStats
}

// NewAttribution returns an empty one.
func NewAttribution(cfg AttributionConfig) *Attribution {
	if cfg.MaxClicks <= 0 {
		cfg.MaxClicks = 200_000
	}
	if cfg.MaxConversions <= 0 {
		cfg.MaxConversions = 1_000_000
	}
	return &Attribution{
		clicks: clickLog{limit: cfg.MaxClicks, byUser: map[clickUser]uint64{}, byToken: map[TokenID]uint64{}},
		seen:   dedupLog{limit: cfg.MaxConversions, at: map[dedupKey]int64{}},
	}
}

// Click remembers a click, in any order of time.
func (a *Attribution) Click(c *Click) {
	a.stats.Clicks++
	if a.clicks.add(c) {
		a.stats.ClicksEvicted++
	}
}

// Credit answers for one conversion and remembers it for deduplication.
func (a *Attribution) Credit(s *Sale) Credit {
	a.stats.Sales++
	if len(s.EventID) > 0 {
		again, evicted := a.seen.mark(dedupKeyOf(s.Advertiser, s.Name, s.EventID), s.ReceivedMS)
		a.stats.ConversionsEvicted += uint64(evicted)
		if again {
			a.stats.Duplicates++
			return Credit{Duplicate: true}
		}
	}
	if c, ok := a.creditToken(s); ok {
		a.stats.ByToken++
		return Credit{Match: MatchToken, Click: c}
	}
	if s.HasUser {
		if c := a.clicks.lastOf(clickUser{s.Advertiser, s.User}, s.TimeMS); c != nil {
			a.stats.ByUser++
			return Credit{Match: MatchUser, Click: *c}
		}
	}
	a.stats.Unattributed++
	return Credit{}
}

// creditToken trusts an authentic click id even when the click itself has been
// forgotten or not yet arrived: the id left our house only in a redirect.
func (a *Attribution) creditToken(s *Sale) (Click, bool) {
	if s.Click == nil {
		return Click{}, false
	}
	if s.Click.Advertiser != s.Advertiser {
		a.stats.ForeignToken++
		return Click{}, false
	}
	c := a.clicks.ofToken(s.Click.ID)
	if c == nil {
		c = clickOfToken(s.Click)
	}
	return *c, inWindow(c.TimeMS, s.TimeMS)
}

// Forget takes back what Credit remembered, when the record of the conversion
// could not be written and the sender will repeat it.
func (a *Attribution) Forget(advertiser id.Advertiser, eventName, eventID []byte) {
	delete(a.seen.at, dedupKeyOf(advertiser, eventName, eventID))
}

// Apply feeds a record of the stream: how the state is rebuilt at a start.
func (a *Attribution) Apply(r *Record) {
	switch {
	case r.Verdict == VerdictRefused:
	case r.Kind == KindClick:
		a.Click(ClickOf(r))
	case r.Kind == KindConversion && len(r.Conversion.EventID) > 0:
		key := dedupKeyOf(r.Advertiser, r.Conversion.Name, r.Conversion.EventID)
		_, evicted := a.seen.mark(key, r.ID.Millis())
		a.stats.ConversionsEvicted += uint64(evicted)
	}
}

// Stats are the counters now.
func (a *Attribution) Stats() AttributionStats {
	st := a.stats
	st.ClicksHeld, st.ConversionsHeld = len(a.clicks.byToken), len(a.seen.at)
	return st
}

// ClickOf is the click that a record of KindClick tells of.
func ClickOf(r *Record) *Click {
	return &Click{
		ID: r.ID, Token: r.Token, AuctionID: r.AuctionID, TimeMS: r.TimeMS,
		Advertiser: r.Advertiser, Campaign: r.Campaign, AdGroup: r.AdGroup, Ad: r.Ad, Revision: r.Revision, Day: r.Day,
		Currency: r.Currency, Country: r.Country, Region: r.Region, Language: r.Language, Age: r.Age, Gender: r.Gender,
		OS: r.OS, Placement: r.Placement, Universe: r.Universe,
		HasUser: r.Personal.State != PrivacyNone, User: r.Personal.Ord,
	}
}

func clickOfToken(t *Token) *Click {
	return &Click{
		Token: t.ID, AuctionID: t.AuctionID, TimeMS: t.AuctionMS(),
		Advertiser: t.Advertiser, Campaign: t.Campaign, AdGroup: t.AdGroup, Ad: t.Ad, Revision: t.Revision, Day: t.Day,
		Currency: t.Currency, Country: t.Country, Region: t.Region, Language: t.Language, Age: t.Age, Gender: t.Gender,
		OS: t.OS, Placement: t.Placement, Universe: t.Universe, HasUser: t.HasUser, User: t.UserOrd,
	}
}

// Fill copies the click into the record of its conversion.
func (c *Click) Fill(r *Record) {
	r.AuctionID, r.Token, r.AuctionMS = c.AuctionID, c.Token, c.AuctionID.Millis()
	r.Advertiser, r.Campaign, r.AdGroup, r.Ad = c.Advertiser, c.Campaign, c.AdGroup, c.Ad
	r.Revision, r.Day, r.Currency = c.Revision, c.Day, c.Currency
	r.Country, r.Region, r.Language = c.Country, c.Region, c.Language
	r.Age, r.Gender, r.OS, r.Placement, r.Universe = c.Age, c.Gender, c.OS, c.Placement, c.Universe
	r.Conversion.ClickID, r.Conversion.ClickMS = c.ID, c.TimeMS
}

func inWindow(clickMS, saleMS int64) bool {
	age := saleMS - clickMS
	return age >= -ClockSkew.Milliseconds() && age <= ClickWindow.Milliseconds()
}

type dedupKey [16]byte

// ConversionKey names a conversion for deduplication: reports of one advertiser
// with the same name and id are the same event.
func ConversionKey(advertiser id.Advertiser, eventName, eventID []byte) [16]byte {
	return dedupKeyOf(advertiser, eventName, eventID)
}

// dedupKeyOf hashes with SHA-256, because senders choose the input.
func dedupKeyOf(advertiser id.Advertiser, eventName, eventID []byte) dedupKey {
	var b [9 + 256 + 256]byte
	binary.LittleEndian.PutUint64(b[:], uint64(advertiser))
	b[8] = byte(min(len(eventName), 255))
	n := 9 + copy(b[9:9+255], eventName)
	n += copy(b[n:], eventID)
	sum := sha256.Sum256(b[:n])
	return dedupKey(sum[:16])
}
