package serving

import (
	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/targeting"
)

// Door says which protocol a request came through; the rules of price and of
// what is billable differ between them.
type Door uint8

// The doors of api/ads.
const (
	DoorFeed    Door = iota // POST /v1/ads: we sell the slot, price by the configured auction
	DoorOpenRTB             // POST /openrtb2/bid: we are a bidder, price = bid, billable is burl
)

// Limits of one request. api/ads refuses what passes them.
const (
	MaxSlots     = 10
	MaxTags      = 64
	MaxRecent    = 64
	MaxBlocked   = 256
	MaxSizes     = 32
	MaxUserID    = 128
	MaxSession   = 128
	MaxUserAgent = 512
)

// Format is a set of creative formats that a slot can show.
type Format uint8

// The formats. Feed slots take video, image and carousel.
const (
	FormatVideo Format = 1 << iota
	FormatImage
	FormatCarousel
	FormatNative // OpenRTB native: an image or video ad rendered by the publisher
)

// Size is a width and height in pixels.
type Size struct{ W, H uint16 }

// Slot is what is for sale.
type Slot struct {
	ID            []byte // as the caller names it; OpenRTB imp.id
	Formats       Format
	Sizes         []Size      // OpenRTB: what an image must be; empty = any. Video and native scale and ignore it
	Floor         money.Nanos // per impression, market currency
	MinDurationMS uint32      // video; 0 = none
	MaxDurationMS uint32      // video; 0 = none
	MinSize       Size        // OpenRTB native: the least size of the image; zero = any
	NeedsVideo    bool        // OpenRTB native: a creative without VideoURL cannot answer
}

// Request is one ad request, decoded and validated by api/ads into pooled
// memory. Every slice belongs to the caller and is valid only during Decide.
// Absent values are zero.
type Request struct {
	Door      Door
	ID        []byte // the caller's request id, for the log and the trace
	UserID    []byte // the app's own user id
	Session   []byte // session token: the only key of caps in the contextual universe
	Signals   audience.Signals
	Gender    targeting.Gender
	Country   targeting.Country
	Region    targeting.Region
	City      targeting.City
	Language  targeting.Language
	OS        targeting.OS
	OSVersion targeting.Version
	Placement targeting.Placement
	Tags      []targeting.Tag // hashtags, sound, creator, categories of the content
	Slots     []Slot
	Recent    []id.Ad // just shown: not again in this answer

	BlockedDomains    []uint64 // TagOf(domain) of OpenRTB badv
	BlockedCategories []uint64 // TagOf(category) of OpenRTB bcat
	Secure            bool     // creatives must be https

	IP24      [3]byte // first three bytes of an IPv4 address; kept only in the personal block
	UserAgent []byte  // kept only in the personal block

	Test bool // OpenRTB test=1: decide, but hold and bill nothing
}

// Reset empties the request and keeps its memory.
func (r *Request) Reset() {
	slots, tags, recent := r.Slots[:0], r.Tags[:0], r.Recent[:0]
	dom, cat := r.BlockedDomains[:0], r.BlockedCategories[:0]
	*r = Request{Slots: slots, Tags: tags, Recent: recent, BlockedDomains: dom, BlockedCategories: cat}
}

// AddSlot appends an empty slot, reusing the memory of its Sizes.
func (r *Request) AddSlot() *Slot {
	n := len(r.Slots)
	if n < cap(r.Slots) {
		r.Slots = r.Slots[:n+1]
		r.Slots[n] = Slot{Sizes: r.Slots[n].Sizes[:0]}
	} else {
		r.Slots = append(r.Slots, Slot{})
	}
	return &r.Slots[n]
}

// Response is the outcome of Decide. Its memory belongs to the caller and is
// reused; Creative points into the snapshot and never changes.
type Response struct {
	AuctionID id.Event
	Revision  int64
	Universe  audience.Universe
	Reason    Reason // why there is no ad, when Ads is empty
	Ads       []Placed
}

// Placed is an ad in a slot.
type Placed struct {
	Slot     int // index into Request.Slots
	Creative *Creative
	Price    money.Nanos // feed: clearing price per billing event; OpenRTB: the bid per impression
	Token    []byte      // sealed, URL-safe; the last path segment of every tracking URL
}

// Creative is what a door needs to show an ad: immutable, built with the snapshot.
type Creative struct {
	Ad           id.Ad
	AdGroup      id.AdGroup
	Campaign     id.Campaign
	Advertiser   id.Advertiser
	AdID         string // decimal
	CampaignID   string // decimal
	AdvertiserID string // decimal
	Format       Format
	DisplayName  string
	Text         string
	CallToAction string
	VideoURL     string
	ImageURL     string
	LandingURL   string
	Deeplink     string
	Domain       string // of LandingURL, for adomain
	Category     string // IAB content category, for cat
	W, H         uint16
	DurationMS   uint32
	BillingEvent string   // CPM, CPC, CPV
	FeedJSON     []byte   // the static members of a feed ad as JSON, without braces: `"ad_id":"1",...`
	DomainTags   []uint64 // TagOf(Domain) and of the domains above it: a block of one blocks all below
	CategoryTags []uint64 // TagOf(Category) and of the category above it
}
