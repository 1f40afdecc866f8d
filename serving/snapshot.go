package serving

import (
	"sync/atomic"
	"time"

	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/pacing"
	"mazad/prediction"
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
	fits     []adFit       // by ad: what gather reads, apart from the creative
	states   []*groupState // by targeting.Ord
	labels   labels
	tiers    []tier           // in the order in which a request searches them
	zones    []*time.Location // by targeting.Rule.Zone
	model    *prediction.Model
	leftOut  error                 // ad groups that could not be compiled
	inactive map[id.AdGroup]Reason // left out when the snapshot was built, and why
}

// AdGroups is the number of ad groups that can compete.
func (s *Snapshot) AdGroups() int { return len(s.groups) }

// adGroup is one competitor: what gather reads of it, in one cache line, because
// at 100,000 ad groups a request meets a thousand of them that it has not seen for
// long.
type adGroup struct {
	hot        *groupHot
	startMS    int64       // 0 = open
	endMS      int64       // 0 = open
	bid        money.Nanos // per billing event, market currency
	advertiser id.Advertiser
	id         id.AdGroup
	adFrom     uint32 // its ads are ads[adFrom:adTo]
	adTo       uint32
	zone       uint16
	cap        audience.Cap
	billing    Billing
	notForKids bool // sells in a shop or collects leads
}

// adFit is what decides whether an ad fits a slot, and what it is worth.
type adFit struct {
	rate       money.PPB // expected billing events per impression
	ad         id.Ad
	durationMS uint32
	domain     label
	category   label
	w, h       uint16
	format     Format
	video      bool // has a video
	image      bool // has an image
	secure     bool // everything it loads is https
}

func fitOf(c *Creative) adFit {
	return adFit{
		ad: c.Ad, durationMS: c.DurationMS, w: c.W, h: c.H, format: c.Format, video: c.VideoURL != "", image: c.ImageURL != "",
		secure: isHTTPS(c.VideoURL) && isHTTPS(c.ImageURL),
	}
}

// servedAd is an ad with what the request path needs of it.
type servedAd struct {
	creative Creative
	goal     prediction.Goal
	domain   label
	category label
}

// withModel returns a snapshot that predicts with another model and shares the
// rest.
func (s *Snapshot) withModel(m *prediction.Model) *Snapshot {
	c := *s
	c.model, c.fits = m, rates(s.groups, s.ads, m)
	c.tiers = c.bounded(s.tiers, c.fits)
	return &c
}

// rates lays out what gather reads of every ad, with the rates of a model.
func rates(groups []adGroup, ads []servedAd, m *prediction.Model) []adFit {
	fits := make([]adFit, len(ads))
	for i := range groups {
		g := &groups[i]
		for a := g.adFrom; a < g.adTo; a++ {
			fits[a] = fitOf(&ads[a].creative)
			fits[a].domain, fits[a].category = ads[a].domain, ads[a].category
			fits[a].rate = money.One
			if g.billing != BillingCPM {
				k := &ads[a].creative
				fits[a].rate = m.Rate(ads[a].goal, &prediction.Key{Ad: k.Ad, AdGroup: k.AdGroup, Campaign: k.Campaign})
			}
		}
	}
	return fits
}

// groupHot is the part of a groupState that every request reads. The Treasurer
// lays it out densely, in the order of the tree, which is that of the snapshot.
type groupHot struct {
	pace    atomic.Uint64 // money.PPB, at most money.One; set by the Treasurer
	dry     atomic.Uint32 // Reason: no money left, set on a refused hold, cleared by the Treasurer
	touched atomic.Uint32 // 1: money moved since the Treasurer's last look
}

// touch makes the next Tick look at the limits of the ad group.
func (h *groupHot) touch() {
	if h.touched.Load() == 0 { // mostly it is 1: the line stays shared
		h.touched.Store(1)
	}
}

// groupState is what an ad group carries from snapshot to snapshot: its limits,
// its pacing multiplier and whether money is left. Fields that Decide reads are
// atomic; the rest belongs to the Treasurer.
type groupState struct {
	id    id.AdGroup
	index uint32 // dense; stands in tokens
	*groupHot
	need      atomic.Int64 // nanos: the hold that was refused; meaningful while dry
	chain     atomic.Pointer[pacing.Chain]
	rechained atomic.Int64 // ms: when the chain became another one, 0 never
	smooth    atomic.Bool

	version int64     // of the ad group; the Treasurer's
	zone    *zoneDays // of its budget days; the Treasurer's
	limits  []*limit  // of its chain; the Treasurer's
	seen    int64     // edit in which it was in the tree; the Treasurer's
	goneMS  int64     // steady time when it was found gone, 0: it is in the tree; the Treasurer's
}
