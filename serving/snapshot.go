package serving

import (
	"sync/atomic"
	"time"

	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/pacing"
	"mazad/prediction"
	"mazad/targeting"
)

// Billing is the event an ad group pays for. The numbers are in tokens and in
// the diary: append only.
type Billing uint8

// The billing events that are sold.
const (
	BillingNone Billing = iota
	BillingCPM
	BillingCPC
	BillingCPV
)

var billingNames = [...]string{"", "CPM", "CPC", "CPV"}

func (b Billing) String() string {
	if int(b) < len(billingNames) {
		return billingNames[b]
	}
	return "unknown"
}

// Snapshot is everything that may be shown, compiled for one revision of what
// people edit. It never changes (I6); a request loads it once and lives in it.
type Snapshot struct {
	Revision int64
	Built    time.Time
	groups   []adGroup // by targeting.Ord
	ads      []servedAd
	rates    []money.PPB // by ad: expected billing events per impression
	index    *targeting.Index
	zones    []*time.Location // by targeting.Rule.Zone
	model    *prediction.Model
	leftOut  error                 // ad groups that could not be compiled
	inactive map[id.AdGroup]Reason // left out when the snapshot was built, and why
}

// AdGroups is the number of ad groups that can compete.
func (s *Snapshot) AdGroups() int { return len(s.groups) }

// adGroup is one competitor. state outlives the snapshot.
type adGroup struct {
	id         id.AdGroup
	campaign   id.Campaign
	advertiser id.Advertiser
	state      *groupState
	bid        money.Nanos // per billing event, market currency
	billing    Billing
	startMS    int64 // 0 = open
	endMS      int64 // 0 = open
	cap        audience.Cap
	zone       uint16
	adFrom     uint32 // its ads are ads[adFrom:adTo]
	adTo       uint32
}

// servedAd is an ad with what the request path needs of it.
type servedAd struct {
	creative Creative
	goal     prediction.Goal
}

// withModel returns a snapshot that predicts with another model and shares the
// rest.
func (s *Snapshot) withModel(m *prediction.Model) *Snapshot {
	c := *s
	c.model, c.rates = m, make([]money.PPB, len(s.ads))
	for i := range s.groups {
		g := &s.groups[i]
		for a := g.adFrom; a < g.adTo; a++ {
			c.rates[a] = money.One
			if g.billing != BillingCPM {
				c.rates[a] = m.Rate(s.ads[a].goal, &prediction.Key{Ad: s.ads[a].creative.Ad, AdGroup: g.id, Campaign: g.campaign})
			}
		}
	}
	return &c
}

// groupState is what an ad group carries from snapshot to snapshot: its limits,
// its pacing multiplier and whether money is left. Fields that Decide reads are
// atomic; the rest belongs to the Treasurer.
type groupState struct {
	id     id.AdGroup
	index  uint32        // dense; stands in tokens
	pace   atomic.Uint64 // money.PPB, set by the Treasurer
	dry    atomic.Uint32 // Reason: no money left, set on a refused hold, cleared by the Treasurer
	need   atomic.Int64  // nanos: the hold that was refused; meaningful while dry
	chain  atomic.Pointer[pacing.Chain]
	smooth atomic.Bool

	version int64          // of the ad group; the Treasurer's
	zone    *time.Location // of its budget days; the Treasurer's
}
