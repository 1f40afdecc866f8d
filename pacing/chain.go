package pacing

import "strconv"

// LimitID names a limit of a Book. Zero is no limit.
type LimitID uint32

// dayLimit marks the ids of limits that have one cell per local day.
const dayLimit LimitID = 1 << 31

// Daily reports whether the limit is re-armed every local day.
func (id LimitID) Daily() bool { return id&dayLimit != 0 }

// The places of a Chain.
const (
	AdGroupDay = iota
	AdGroupTotal
	CampaignDay
	CampaignTotal
	AdvertiserDay
	AdvertiserTotal
	Wallet
	spare
	ChainLen
)

var placeNames = [ChainLen]string{
	"adgroup_day", "adgroup_total", "campaign_day", "campaign_total",
	"advertiser_day", "advertiser_total", "wallet", "spare",
}

// PlaceName is the word for a place of a Chain, as Hold returns it.
func PlaceName(place int) string {
	if place >= 0 && place < ChainLen {
		return placeNames[place]
	}
	return "place_" + strconv.Itoa(place)
}

// Chain lists the limits that one ad group spends from, by place; zero where
// there is none. It stays valid across revisions: a limit's id is not given to
// another limit while money is held in it.
type Chain [ChainLen]LimitID
