package serving

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mazad/audience"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/prediction"
	"mazad/targeting"
)

// Build compiles a tree into a snapshot. groups gives every ad group the state
// that outlives the snapshot. Ad groups that cannot compete are left out
// and remembered with the reason.
func Build(tree *campaign.Tree, market *Market, groups GroupStates, model *prediction.Model, now time.Time) (*Snapshot, error) {
	return build(tree, market, groups, model, now, targeting.FirstTier)
}

func build(tree *campaign.Tree, market *Market, groups GroupStates, model *prediction.Model, now time.Time, first int) (*Snapshot, error) {
	b := builder{
		snap:        &Snapshot{Revision: int64(tree.Revision), Built: now, inactive: map[id.AdGroup]Reason{}},
		market:      market,
		groups:      groups,
		zones:       map[string]uint16{},
		advertisers: make(map[id.Advertiser]*campaign.Advertiser, len(tree.Advertisers)),
		campaigns:   make(map[id.Campaign]*campaign.Campaign, len(tree.Campaigns)),
		ads:         make(map[id.AdGroup][]*campaign.Ad, len(tree.AdGroups)),
		now:         now,
	}
	for i := range tree.Advertisers {
		b.advertisers[tree.Advertisers[i].ID] = &tree.Advertisers[i]
	}
	for i := range tree.Campaigns {
		b.campaigns[tree.Campaigns[i].ID] = &tree.Campaigns[i]
	}
	for i := range tree.Ads {
		a := &tree.Ads[i]
		b.ads[a.AdGroup] = append(b.ads[a.AdGroup], a)
	}
	for i := range tree.AdGroups {
		if err := b.add(&tree.AdGroups[i]); err != nil { // the others are served
			b.snap.inactive[tree.AdGroups[i].ID] = ReasonUnsupported
			b.snap.leftOut = errors.Join(b.snap.leftOut, fmt.Errorf("ad group %s of revision %d is left out: %w", tree.AdGroups[i].ID, tree.Revision, err))
		}
	}
	b.rank(model)
	for _, t := range targeting.BuildTiers(b.rules, first) {
		b.snap.tiers = append(b.snap.tiers, tier{Tier: t})
	}
	return b.snap.withModel(model), nil
}

// rank puts the ad groups in descending order of their worth, and their ads in the
// same order.
func (b *builder) rank(model *prediction.Model) {
	s := b.snap
	fits := rates(s.groups, s.ads, model)
	type place struct {
		worth money.Nanos
		at    int
	}
	order := make([]place, len(s.groups))
	for i := range order {
		order[i] = place{worth(&s.groups[i], fits), i}
	}
	slices.SortFunc(order, func(x, y place) int {
		return cmp.Or(cmp.Compare(y.worth, x.worth), cmp.Compare(s.groups[x.at].id, s.groups[y.at].id))
	})
	groups, states := make([]adGroup, len(order)), make([]*groupState, len(order))
	rules, ads := make([]targeting.Rule, len(order)), make([]servedAd, 0, len(s.ads))
	for to, p := range order {
		g := s.groups[p.at]
		from := uint32(len(ads))
		ads = append(ads, s.ads[g.adFrom:g.adTo]...)
		g.adFrom, g.adTo = from, uint32(len(ads))
		groups[to], states[to], rules[to] = g, s.states[p.at], b.rules[p.at]
	}
	s.groups, s.states, s.ads, b.rules = groups, states, ads, rules
}

// GroupStates finds what outlives a snapshot.
type GroupStates interface {
	state(g id.AdGroup) *groupState
}

type builder struct {
	snap        *Snapshot
	market      *Market
	groups      GroupStates
	zones       map[string]uint16
	advertisers map[id.Advertiser]*campaign.Advertiser
	campaigns   map[id.Campaign]*campaign.Campaign
	ads         map[id.AdGroup][]*campaign.Ad
	rules       []targeting.Rule
	now         time.Time
}

// add compiles one ad group, or notes why it cannot compete.
func (b *builder) add(g *campaign.AdGroup) error {
	adv, camp := b.advertisers[g.Advertiser], b.campaigns[g.Campaign]
	if adv == nil || camp == nil {
		return errOrphan
	}
	compiled := adGroup{id: g.ID, advertiser: g.Advertiser, adFrom: uint32(len(b.snap.ads))}
	reason := b.active(adv, camp, g)
	if reason == ReasonNone {
		compiled.billing, compiled.bid, reason = billingOf(g)
	}
	if reason == ReasonNone {
		for _, a := range b.ads[g.ID] {
			if a.OperationStatus == campaign.Enable && a.Review == campaign.ReviewApproved {
				b.snap.ads = append(b.snap.ads, b.ad(a, compiled.billing))
			}
		}
		compiled.adTo = uint32(len(b.snap.ads))
		if compiled.adFrom == compiled.adTo {
			reason = ReasonNoAd
		}
	}
	if reason != ReasonNone {
		b.snap.inactive[g.ID] = reason
		return nil
	}
	zone, err := b.zone(adv.Zone)
	if err != nil {
		return err
	}
	rule, err := g.Rule(zone)
	if err != nil {
		return err
	}
	compiled.zone = zone
	compiled.notForKids = camp.Objective == campaign.ObjectiveProductSales || camp.Objective == campaign.ObjectiveLeadGeneration
	compiled.cap = audience.Cap{Impressions: uint8(min(g.Frequency, 255)), Days: uint8(g.FrequencyDays)}
	compiled.startMS = unixMS(g.ScheduleStart)
	if g.ScheduleType == campaign.ScheduleStartEnd {
		compiled.endMS = unixMS(g.ScheduleEnd)
	}
	state := b.groups.state(g.ID)
	if state == nil {
		return errors.New("it has no limits: the treasurer must see a tree before it is compiled")
	}
	compiled.hot = state.groupHot
	b.snap.states = append(b.snap.states, state)
	b.rules = append(b.rules, rule)
	b.snap.groups = append(b.snap.groups, compiled)
	return nil
}

func (b *builder) ad(a *campaign.Ad, billing Billing) servedAd {
	s := servedAd{creative: newCreative(a, billing), goal: goalOf(billing)}
	c := &s.creative
	s.domain, s.category = b.snap.labels.add("domain ", c.Domain, c.DomainTags), b.snap.labels.add("category ", c.Category, c.CategoryTags)
	return s
}

func (b *builder) active(adv *campaign.Advertiser, camp *campaign.Campaign, g *campaign.AdGroup) Reason {
	switch {
	case adv.Status != campaign.AdvertiserEnabled, camp.OperationStatus != campaign.Enable, g.OperationStatus != campaign.Enable:
		return ReasonNotActive
	case g.ScheduleType == campaign.ScheduleStartEnd && !g.ScheduleEnd.IsZero() && !b.now.Before(g.ScheduleEnd):
		return ReasonNotActive
	case adv.Currency != b.market.Currency:
		return ReasonCurrency
	}
	return ReasonNone
}

func billingOf(g *campaign.AdGroup) (Billing, money.Nanos, Reason) {
	switch g.BillingEvent {
	case campaign.CPM:
		return BillingCPM, g.BidPrice.CPM(), ReasonNone
	case campaign.CPC, campaign.CPV:
		bid, ok := g.BidPrice.Nanos()
		if !ok {
			bid = money.MaxNanos
		}
		if g.BillingEvent == campaign.CPC {
			return BillingCPC, bid, ReasonNone
		}
		return BillingCPV, bid, ReasonNone
	}
	return BillingNone, 0, ReasonBillingEvent
}

func goalOf(b Billing) prediction.Goal {
	if b == BillingCPV {
		return prediction.View
	}
	return prediction.Click
}

func (b *builder) zone(name string) (uint16, error) {
	if z, ok := b.zones[name]; ok {
		return z, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return 0, fmt.Errorf("time zone %q: %w", name, err)
	}
	if len(b.snap.zones) >= targeting.MaxZone {
		return 0, fmt.Errorf("time zone %q: more than %d zones in use", name, targeting.MaxZone)
	}
	z := uint16(len(b.snap.zones))
	b.snap.zones = append(b.snap.zones, loc)
	b.zones[name] = z
	return z, nil
}

func unixMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func newCreative(a *campaign.Ad, billing Billing) Creative {
	c := Creative{
		Ad: a.ID, AdGroup: a.AdGroup, Campaign: a.Campaign, Advertiser: a.Advertiser,
		AdID: a.ID.String(), CampaignID: a.Campaign.String(), AdvertiserID: a.Advertiser.String(),
		DisplayName: a.DisplayName, Text: a.Text, CallToAction: a.CallToAction, VideoURL: a.VideoURL,
		LandingURL: a.LandingPageURL, Deeplink: a.Deeplink, W: uint16(a.Width), H: uint16(a.Height),
		DurationMS: uint32(a.DurationMS), BillingEvent: billing.String(),
	}
	switch a.Format {
	case campaign.SingleVideo:
		c.Format = FormatVideo
	case campaign.CarouselAds:
		c.Format = FormatCarousel
	default:
		c.Format = FormatImage
	}
	if len(a.ImageURLs) > 0 {
		c.ImageURL = a.ImageURLs[0]
	}
	if u, err := url.Parse(a.LandingPageURL); err == nil {
		c.Domain = strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
	}
	c.DomainTags, c.CategoryTags = tagsUp(c.Domain, ".", strings.Index), tagsUp(c.Category, "-", strings.LastIndex)
	c.FeedJSON = feedJSON(a, &c)
	return c
}

// tagsUp gives the tags of a name and of those above it: www.shop.example is
// below shop.example, IAB7-1 below IAB7. cut finds the separator; what is left of
// a domain after it, or of a category before it, is the name above.
func tagsUp(name, separator string, cut func(s, sep string) int) (tags []uint64) {
	for name != "" {
		tags = append(tags, uint64(targeting.TagOf([]byte(name))))
		i := cut(name, separator)
		switch {
		case i < 0:
			return tags
		case separator == ".":
			name = name[i+1:]
		default:
			name = name[:i]
		}
	}
	return tags
}

// feedJSON writes the static members of a feed ad.
func feedJSON(a *campaign.Ad, c *Creative) []byte {
	b := []byte(`"ad_id":"` + c.AdID + `","adgroup_id":"` + a.AdGroup.String() + `","campaign_id":"` + c.CampaignID + `","advertiser_id":"` + c.AdvertiserID + `","ad_format":"` + string(a.Format) + `"`)
	for _, m := range [...]struct{ name, value string }{
		{"display_name", a.DisplayName}, {"ad_text", a.Text}, {"call_to_action", a.CallToAction},
		{"video_id", a.VideoID}, {"video_url", a.VideoURL}, {"deeplink", a.Deeplink}, {"identity_id", a.IdentityID},
	} {
		if m.value != "" {
			b = append(b, `,"`+m.name+`":`...)
			b = appendJSONString(b, m.value)
		}
	}
	b = appendList(b, "image_urls", a.ImageURLs)
	b = appendList(b, "image_ids", a.ImageIDs)
	for _, m := range [...]struct {
		name  string
		value int
	}{{"width", a.Width}, {"height", a.Height}, {"duration_ms", a.DurationMS}} {
		if m.value != 0 {
			b = strconv.AppendInt(append(b, `,"`+m.name+`":`...), int64(m.value), 10)
		}
	}
	return b
}

func appendList(b []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, `,"`+name+`":[`...)
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONString(b, s)
	}
	return append(b, ']')
}
