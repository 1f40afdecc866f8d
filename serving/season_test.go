package serving

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mazad/audience"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/prediction"
	"mazad/targeting"
)

// kept collects what is offered for replays.
type kept struct {
	bodies [][]byte
	last   events.Record
	full   bool
}

func (k *kept) OfferReplay(r *events.Record) bool {
	if k.full {
		return false
	}
	k.bodies = append(k.bodies, bytes.Clone(r.Body))
	k.last = *r
	return true
}

// season is a seeded life of one node: edits, learning, ticks, spend, midnights in
// several zones, and auctions of every kind. Everything is drawn with whole
// numbers, so that a season is the same on every machine and in every build.
type season struct {
	*stage
	t       testing.TB
	rng     *rand.Rand
	learner *prediction.Learner
	model   uint64
	trees   map[int64]campaign.Tree // by revision, as published
	tok     events.Token
	req     Request
	resp    Response
}

var seasonZones = []string{"UTC", "Asia/Kathmandu", "America/New_York", "Asia/Riyadh"}

func newSeason(t testing.TB, seed uint64) *season {
	s := &season{stage: newStage(t, campaigntest.Options{AdGroups: 1, Seed: 1}, 40_000_000), t: t, rng: rand.New(rand.NewPCG(seed, 7)), trees: map[int64]campaign.Tree{}}
	var err error
	s.learner, err = prediction.NewLearner(prediction.Config{})
	must(t, err)
	s.engine.cfg.Policy = audience.Policy{OptOut: opted(t)}
	s.users = fakeUsers{}
	s.engine.cfg.Users = s.users
	for i := range 80 {
		p := audience.Profile{Known: true, Ord: audience.UserOrd(i + 1), Age: uint8(s.rng.IntN(70)), Consent: audience.Consent(s.rng.IntN(3)), Gender: audience.Gender(s.rng.IntN(3))}
		for x := range uint32(6) {
			if s.rng.IntN(2) == 0 {
				p.Interests, p.Segments = append(p.Interests, x+1), append(p.Segments, 100+x)
			}
		}
		s.users[userName(i)] = p
	}
	s.tree = campaign.Tree{Revision: 1}
	for i := range 12 {
		a := campaign.Advertiser{ID: id.Advertiser(i + 1), Name: "A", Currency: "USD", Zone: seasonZones[i%len(seasonZones)]}
		a.Defaults()
		s.tree.Advertisers = append(s.tree.Advertisers, a)
		for k := range 3 {
			c := campaign.Campaign{ID: id.Campaign(3*i + k + 1), Advertiser: a.ID, Name: "C",
				Objective: []campaign.Objective{campaign.ObjectiveReach, campaign.ObjectiveReach, campaign.ObjectiveProductSales}[k]}
			c.Defaults()
			s.tree.Campaigns = append(s.tree.Campaigns, c)
		}
	}
	for range 160 {
		s.addGroup()
	}
	s.publishSeason()
	return s
}

func opted(t testing.TB) audience.CountrySet {
	set, err := audience.CountriesOf("US", "SA")
	must(t, err)
	return set
}

// some picks a few of a list, or none, which is no constraint.
func some[T any](r *rand.Rand, all ...T) (out []T) {
	if r.IntN(2) == 0 {
		return nil
	}
	for _, v := range all {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

func (s *season) addGroup() {
	r, n := s.rng, len(s.tree.AdGroups)+1
	c := &s.tree.Campaigns[r.IntN(len(s.tree.Campaigns))]
	g := campaign.AdGroup{
		ID: id.AdGroup(n), Campaign: c.ID, Advertiser: c.Advertiser, Name: "G", ScheduleStart: noon.Add(-time.Hour),
		LocationIDs: some(r, "US", "SA", "NP"), AgeGroups: some(r, campaign.AgeGroup("AGE_18_24"), "AGE_25_34", "AGE_35_44", "AGE_45_54"),
		InterestCategoryIDs: some(r, "1", "2", "3"), AudienceIDs: some(r, "100", "101", "102", "103"),
		ContextualTagIDs: some(r, "music", "sport"), Goal: campaign.GoalShow, BillingEvent: campaign.CPM,
		BidPrice: money.Micros(1+r.IntN(8)) * 500_000, BudgetMode: campaign.BudgetDay, Budget: money.Micros(20_000 + r.IntN(400_000)),
		Pacing: []campaign.Pacing{campaign.PacingFast, campaign.PacingSmooth}[r.IntN(2)],
	}
	switch r.IntN(4) {
	case 0:
		g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalClick, campaign.CPC, money.Micros(1+r.IntN(40))*20_000
	case 1:
		g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalVideoView, campaign.CPV, money.Micros(1+r.IntN(40))*500
	}
	if r.IntN(3) == 0 && g.BillingEvent == campaign.CPM {
		g.Frequency, g.FrequencyDays = 1+r.IntN(4), 1+r.IntN(3)
	}
	if r.IntN(6) == 0 {
		g.Dayparting = strings.Repeat("1100", 84)
	}
	if r.IntN(6) == 0 {
		g.ScheduleType, g.ScheduleEnd = campaign.ScheduleStartEnd, noon.Add(time.Duration(r.IntN(20))*time.Hour)
	}
	g.Defaults(noon)
	s.tree.AdGroups = append(s.tree.AdGroups, g)
	for range 1 + r.IntN(3) {
		k := strconv.Itoa(len(s.tree.Ads) + 1)
		a := campaign.Ad{ID: id.Ad(len(s.tree.Ads) + 1), AdGroup: g.ID, Campaign: c.ID, Advertiser: c.Advertiser, Name: "Ad", Review: campaign.ReviewApproved,
			LandingPageURL: "https://shop" + c.Advertiser.String() + ".example/" + k, Format: campaign.SingleVideo, VideoURL: "https://v.example/" + k, DurationMS: 5000 + r.IntN(20)*1000, Width: 720, Height: 1280}
		if r.IntN(3) == 0 {
			a.Format, a.VideoURL, a.ImageURLs = campaign.SingleImage, "", []string{"https://i.example/" + k}
		}
		a.Defaults()
		s.tree.Ads = append(s.tree.Ads, a)
	}
}

// publishSeason compiles the tree as the Publisher does.
func (s *season) publishSeason() {
	ctx, now := context.Background(), s.clock.Now()
	s.trees[int64(s.tree.Revision)] = campaign.Tree{Revision: s.tree.Revision, Advertisers: slices.Clone(s.tree.Advertisers),
		Campaigns: slices.Clone(s.tree.Campaigns), AdGroups: slices.Clone(s.tree.AdGroups), Ads: slices.Clone(s.tree.Ads)}
	s.model++
	must(s.t, s.treasurer.Apply(ctx, &s.tree, now))
	snap, err := build(&s.tree, &s.market, s.treasurer, s.learner.Publish(s.model), now, 8) // many tiers
	must(s.t, err)
	must(s.t, s.treasurer.Tick(ctx, now))
	s.engine.Publish(snap)
}

// edit changes something that people edit.
func (s *season) edit() {
	r := s.rng
	g := &s.tree.AdGroups[r.IntN(len(s.tree.AdGroups))]
	switch r.IntN(4) {
	case 0:
		g.OperationStatus = []campaign.OperationStatus{campaign.Enable, campaign.Disable}[r.IntN(2)]
	case 1:
		g.BidPrice += money.Micros(1+r.IntN(5)) * 1000
	case 2:
		g.Budget += money.Micros(r.IntN(50_000))
	default:
		s.addGroup()
	}
	g.Version++
	s.tree.Revision++
}

// step is one auction, with what happens on a node around it.
func (s *season) step(i int) *Response {
	r, ctx := s.rng, context.Background()
	s.clock.Advance(time.Duration(r.IntN(40_000)) * time.Millisecond)
	now := s.clock.Now()
	if i%10 == 0 {
		must(s.t, s.treasurer.Tick(ctx, now))
		s.treasurer.Sweep(now)
	}
	if i%90 == 89 {
		s.edit()
		s.publishSeason()
	} else if i%60 == 59 {
		s.model++
		s.engine.Publish(s.engine.Snapshot().withModel(s.learner.Publish(s.model)))
	}
	s.draw()
	s.engine.Decide(&s.req, &s.resp)
	for k := range s.resp.Ads {
		ad := &s.resp.Ads[k]
		key := prediction.Key{Ad: ad.Creative.Ad, AdGroup: ad.Creative.AdGroup, Campaign: ad.Creative.Campaign}
		s.learner.Observe(&key, prediction.SawImpression)
		if r.IntN(3) == 0 {
			s.learner.Observe(&key, prediction.SawClick)
		}
		if r.IntN(2) == 0 && !s.req.Test && s.sealer.Open(&s.tok, ad.Token, events.UseImpression, now.UnixMilli()) == events.StateOK {
			s.treasurer.shown(&s.tok)
			s.treasurer.commit(ctx, &s.tok, ad.Price)
		}
	}
	return &s.resp
}

// draw writes a request of either door and any universe.
func (s *season) draw() {
	r, q := s.rng, &s.req
	q.Reset()
	if r.IntN(8) > 0 {
		q.UserID = append(q.UserID, userName(r.IntN(100))...) // some of them unknown
	}
	if r.IntN(8) > 0 {
		q.Session = append(q.Session, fmt.Sprint("session-", r.IntN(40))...)
	}
	q.Signals = audience.Signals{Age: uint8([]int{0, 10, 15, 20, 30, 40, 50, 60}[r.IntN(8)]), COPPA: r.IntN(20) == 0, LMT: r.IntN(20) == 0,
		GPC: r.IntN(20) == 0, GDPR: r.IntN(10) == 0, Consent: audience.Consent(r.IntN(3))}
	country := []string{"US", "SA", "NP"}[r.IntN(3)]
	copy(q.Signals.Country[:], country)
	q.Country, _ = targeting.ParseCountry(country)
	q.OS, q.Placement, q.Gender = targeting.OS(r.IntN(3)), targeting.PlacementFeed, targeting.Gender(r.IntN(3))
	q.City, q.OSVersion = targeting.City(r.IntN(5)), targeting.Version(r.IntN(20))
	for _, tag := range []string{"music", "sport", "food"} {
		if r.IntN(2) == 0 {
			q.Tags = append(q.Tags, targeting.TagOf([]byte(tag)))
		}
	}
	for range r.IntN(4) {
		q.Recent = append(q.Recent, id.Ad(r.IntN(len(s.tree.Ads))+1))
	}
	slots := r.IntN(5)
	if r.IntN(3) == 0 {
		q.Door, slots = DoorOpenRTB, 1+r.IntN(3)
		q.Secure, q.Test = r.IntN(2) == 0, r.IntN(20) == 0
		for range r.IntN(3) {
			q.BlockedDomains = append(q.BlockedDomains, uint64(targeting.TagOf([]byte(fmt.Sprintf("shop%d.example", r.IntN(14))))))
		}
	}
	for range slots {
		slot := q.AddSlot()
		slot.Formats = []Format{FormatVideo, FormatImage, FormatVideo | FormatImage | FormatCarousel}[r.IntN(3)]
		slot.Floor = money.Nanos(r.IntN(4) * 400_000)
		if r.IntN(4) == 0 {
			slot.MaxDurationMS = 10_000
			slot.Sizes = append(slot.Sizes, Size{720, 1280})
		}
	}
}
