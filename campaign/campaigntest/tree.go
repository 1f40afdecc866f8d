// Package campaigntest makes seeded trees of advertisers, campaigns, ad groups
// and ads for tests, benchmarks and the demo.
//
// Contract: the same size and seed give the same tree. The targeting is the
// workload of targetingtest, so that figures of the whole corridor can be
// compared with figures of the index alone; every object is valid.
//
// Units: bids in micros per thousand impressions (CPM) or per click or view.
//
// Concurrency: functions only.
//
// Limits: MaxAdGroups.
package campaigntest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

// MaxAdGroups bounds a tree.
const MaxAdGroups = 2_000_000

// Options shape a tree. Zero values mean the default.
type Options struct {
	AdGroups      int
	Seed          uint64
	PerCampaign   int            // ad groups; default 4
	PerAdvertiser int            // campaigns; default 5
	Currency      money.Currency // default USD
	Start         time.Time      // schedules start a day before; default 2026-01-01
	CPMOnly       bool           // no ad group pays by click or view
	Exchange      bool           // for web exchanges: banners, few videos, places in North America
}

var zones = []string{"UTC", "Asia/Riyadh", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Asia/Dubai"}

var banners = [][2]int{{300, 250}, {728, 90}, {160, 600}, {320, 50}, {300, 600}, {970, 250}, {468, 60}, {120, 600}}

// Tree makes a tree with o.AdGroups ad groups, one ad each. Ids are small
// numbers in creation order.
func Tree(o Options) campaign.Tree {
	if o.AdGroups < 1 || o.AdGroups > MaxAdGroups {
		panic(fmt.Sprintf("campaigntest: %d ad groups, want 1 to %d", o.AdGroups, MaxAdGroups))
	}
	if o.PerCampaign == 0 {
		o.PerCampaign = 4
	}
	if o.PerAdvertiser == 0 {
		o.PerAdvertiser = 5
	}
	if o.Currency == "" {
		o.Currency = "USD"
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	m := maker{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6d617a6164)), tree: campaign.Tree{Revision: 1}}
	for i, r := range targetingtest.Rules(o.AdGroups, o.Seed) {
		m.adGroup(i, &r)
	}
	return m.tree
}

type maker struct {
	o    Options
	rng  *rand.Rand
	tree campaign.Tree
}

func (m *maker) adGroup(i int, r *targeting.Rule) {
	if i%(m.o.PerCampaign*m.o.PerAdvertiser) == 0 {
		m.advertiser()
	}
	if i%m.o.PerCampaign == 0 {
		m.campaign()
	}
	adv, camp := &m.tree.Advertisers[len(m.tree.Advertisers)-1], &m.tree.Campaigns[len(m.tree.Campaigns)-1]
	g := campaign.AdGroup{
		ID: id.AdGroup(i + 1), Campaign: camp.ID, Advertiser: adv.ID, Name: "Ad group " + strconv.Itoa(i+1),
		BudgetMode: campaign.BudgetDay, Budget: money.Micros(50+m.rng.IntN(450)) * 1_000_000,
		Goal: campaign.GoalShow, BillingEvent: campaign.CPM, ScheduleStart: m.o.Start.Add(-24 * time.Hour),
		Pacing: campaign.PacingFast,
	}
	value := math.Exp(m.rng.NormFloat64()) // lognormal, sigma 1
	switch k := m.rng.IntN(10); {
	case k < 3 && !m.o.CPMOnly:
		g.Goal, g.BillingEvent = campaign.GoalClick, campaign.CPC
		g.BidPrice = micros(value*0.25, 10_000)
	case k < 4 && !m.o.CPMOnly:
		g.Goal, g.BillingEvent = campaign.GoalVideoView, campaign.CPV
		g.BidPrice = micros(value*0.01, 1_000)
	default:
		g.BidPrice = micros(value*2, 100_000)
	}
	if m.rng.IntN(20) == 0 && g.BillingEvent == campaign.CPM {
		g.Goal, g.Frequency, g.FrequencyDays = campaign.GoalReach, 3, 1
	}
	if m.rng.IntN(10) == 0 {
		g.Pacing = campaign.PacingSmooth
	}
	if m.o.Exchange {
		m.targetExchange(&g)
	} else {
		m.target(&g, r)
	}
	g.Defaults(m.o.Start)
	m.tree.AdGroups = append(m.tree.AdGroups, g)
	m.ad(i, &g)
}

// micros rounds to whole thousandths of a micro's thousand and keeps a minimum.
func micros(units float64, least money.Micros) money.Micros {
	return max(money.Micros(units*1000)*1000, least)
}

func (m *maker) advertiser() {
	n := len(m.tree.Advertisers) + 1
	a := campaign.Advertiser{ID: id.Advertiser(n), Name: "Advertiser " + strconv.Itoa(n), Currency: m.o.Currency, Zone: zones[m.rng.IntN(len(zones))]}
	a.Defaults()
	m.tree.Advertisers = append(m.tree.Advertisers, a)
}

func (m *maker) campaign() {
	n := len(m.tree.Campaigns) + 1
	c := campaign.Campaign{ID: id.Campaign(n), Advertiser: m.tree.Advertisers[len(m.tree.Advertisers)-1].ID, Name: "Campaign " + strconv.Itoa(n), Objective: campaign.ObjectiveReach}
	c.Defaults()
	m.tree.Campaigns = append(m.tree.Campaigns, c)
}

// target writes a rule in the form that people send.
func (m *maker) target(g *campaign.AdGroup, r *targeting.Rule) {
	place := func(countries []targeting.Country, regions []targeting.Region, cities []targeting.City) (out []string) {
		for _, c := range countries {
			out = append(out, c.String())
		}
		for _, c := range regions {
			out = append(out, c.String())
		}
		for _, c := range cities {
			out = append(out, strconv.FormatUint(uint64(c), 10))
		}
		return distinct(out)
	}
	g.LocationIDs = place(r.Countries, r.Regions, r.Cities)
	g.ExcludedLocationIDs = place(r.ExcludeCountries, r.ExcludeRegions, r.ExcludeCities)
	for b := targeting.Age18_24; b <= targeting.Age55_100; b++ {
		if r.Ages.Has(b) {
			g.AgeGroups = append(g.AgeGroups, campaign.AgeGroup(b.String()))
		}
	}
	g.Gender = campaign.Gender(r.Gender.String())
	for _, l := range r.Languages {
		g.Languages = append(g.Languages, l.String())
	}
	g.Languages = distinct(g.Languages)
	for _, os := range []targeting.OS{targeting.Android, targeting.IOS} {
		if r.OS.Has(os) {
			g.OperatingSystems = append(g.OperatingSystems, campaign.OperatingSystem(os.String()))
		}
	}
	if r.MinAndroid != 0 {
		g.MinAndroidVersion = r.MinAndroid.String()
	}
	if r.MinIOS != 0 {
		g.MinIOSVersion = r.MinIOS.String()
	}
	for _, x := range r.Interests {
		g.InterestCategoryIDs = append(g.InterestCategoryIDs, strconv.FormatUint(uint64(x), 10))
	}
	g.InterestCategoryIDs = distinct(g.InterestCategoryIDs)
	for _, clause := range r.Segments {
		g.AudienceRule = append(g.AudienceRule, segments(clause))
	}
	g.ExcludedAudienceIDs = segments(r.ExcludeSegments)
	for p := targeting.PlacementFeed; p <= targeting.PlacementExchange; p++ {
		if r.Placements != 0 && r.Placements.Has(p) {
			g.PlacementType = campaign.PlacementNormal
			g.Placements = append(g.Placements, campaign.Placement(p.String()))
		}
	}
}

var states = []string{"US-CA", "US-NY", "US-TX", "US-FL", "US-WI", "US-IL", "US-PA", "US-OH", "US-NJ", "US-WA", "CA-ON", "CA-QC"}

// targetExchange draws targeting for the open web, where the user is a stranger:
// mostly places and languages, now and then an audience, which no stranger is
// in.
func (m *maker) targetExchange(g *campaign.AdGroup) {
	switch k := m.rng.IntN(10); {
	case k < 5:
		g.LocationIDs = []string{"US"}
	case k < 7:
		for range 1 + m.rng.IntN(4) {
			g.LocationIDs = append(g.LocationIDs, states[m.rng.IntN(len(states))])
		}
		g.LocationIDs = distinct(g.LocationIDs)
	case k < 8:
		g.LocationIDs = []string{"CA", "GB", "AU"}
	}
	if len(g.LocationIDs) == 1 && m.rng.IntN(5) == 0 {
		g.ExcludedLocationIDs = []string{states[m.rng.IntN(len(states))]}
	}
	if m.rng.IntN(5) == 0 {
		g.Languages = []string{"en"}
	}
	if m.rng.IntN(10) == 0 {
		g.AudienceIDs = []string{strconv.Itoa(1 + m.rng.IntN(100))}
	}
	g.Gender = campaign.GenderUnlimited
}

func segments(list []targeting.Segment) (out []string) {
	for _, s := range list {
		out = append(out, strconv.FormatUint(uint64(s), 10))
	}
	return distinct(out)
}

// distinct drops repeats: the workload draws with replacement, people may not
// name a thing twice.
func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func (m *maker) ad(i int, g *campaign.AdGroup) {
	n := strconv.Itoa(i + 1)
	host := "https://shop" + g.Advertiser.String() + ".example"
	a := campaign.Ad{
		ID: id.Ad(i + 1), AdGroup: g.ID, Campaign: g.Campaign, Advertiser: g.Advertiser, Name: "Ad " + n,
		Text: "Something worth a look, number " + n, DisplayName: "Shop " + g.Advertiser.String(),
		CallToAction: "SHOP_NOW", LandingPageURL: host + "/p/" + n, Review: campaign.ReviewApproved,
	}
	if video := m.rng.IntN(10) < 7; video && !m.o.Exchange || m.o.Exchange && m.rng.IntN(10) == 0 {
		a.Format, a.VideoURL, a.Width, a.Height, a.DurationMS = campaign.SingleVideo, host+"/v/"+n+".mp4", 720, 1280, 6000+m.rng.IntN(24)*1000
	} else {
		size := banners[m.rng.IntN(len(banners))]
		a.Format, a.ImageURLs, a.Width, a.Height = campaign.SingleImage, []string{host + "/i/" + n + ".jpg"}, size[0], size[1]
	}
	a.Defaults()
	m.tree.Ads = append(m.tree.Ads, a)
}
