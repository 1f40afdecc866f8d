package pacing

import "strconv"

// LimitID names a limit of a Book. Zero is no limit.
type LimitID uint32

// dayLimit and weekLimit mark the ids of limits that have one cell per local day
// or week.
const (
	dayLimit  LimitID = 1 << 31
	weekLimit LimitID = 1 << 30
	recurs            = dayLimit | weekLimit
)

// Daily reports whether the limit is re-armed every local day.
func (id LimitID) Daily() bool { return id&dayLimit != 0 }

// Weekly reports whether the limit is re-armed every Monday.
func (id LimitID) Weekly() bool { return id&weekLimit != 0 }

// Recurs reports whether the limit begins anew: daily or weekly.
func (id LimitID) Recurs() bool { return id&recurs != 0 }

// index is the first of the limit's cells.
func (id LimitID) index() uint32 { return uint32(id &^ recurs) }

// The places of a Chain. A budget for days that may differ has its week in the
// place of the total, which it does not have.
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
