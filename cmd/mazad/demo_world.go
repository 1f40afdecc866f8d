package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"mazad/audience"
	userstore "mazad/audience/store"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// demoWorld is what a demo remembers between starts: who can sign in.
type demoWorld struct {
	SignIns  []signIn `json:"sign_ins"`
	EventKey string   `json:"event_key"` // the operator's: for purchases of any advertiser's shop
	Users    int      `json:"users"`
}

type signIn struct {
	Who   string `json:"who"`
	Token string `json:"token"`
}

const demoUsers = 5000

var demoEdit = campaign.Edit{Actor: "demo"}

// demoWorld seeds the world at the first start and reads who is in it at the
// next ones. The file is written last, so that a start that was interrupted is
// told apart.
func (n *Node) demoWorld(ctx context.Context, file string, seed uint64) (*demoWorld, error) {
	var w demoWorld
	raw, err := os.ReadFile(file)
	switch {
	case err == nil:
		return &w, json.Unmarshal(raw, &w)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if page, err := n.campaigns.Advertisers(ctx, campaign.AdvertiserQuery{}); err != nil {
		return nil, err
	} else if page.Total > 0 {
		return nil, fmt.Errorf("%s holds data that is not a demo's; give another --data-dir or remove it", n.cfg.DataDir)
	}
	agency, err := n.campaigns.CreateBusinessCenter(ctx, demoEdit, campaign.BusinessCenter{Name: "Oasis Media (agency)"})
	if err != nil {
		return nil, err
	}
	tree, err := n.campaigns.CreateTree(ctx, demoEdit, demoTree(agency.ID, seed, n.clock.Now()))
	if err != nil {
		return nil, err
	}
	for _, a := range tree.Advertisers {
		if _, _, err := n.ledger.TopUp(ctx, ledger.TopUp{RequestID: "demo-" + a.ID.String(), Advertiser: a.ID, Currency: a.Currency, Amount: 2_000_000_000, Note: "demo"}); err != nil {
			return nil, err
		}
	}
	if err := n.demoPeople(ctx, seed); err != nil {
		return nil, err
	}
	if err := n.demoKeys(ctx, &w, agency.ID, tree.Advertisers[0].ID); err != nil {
		return nil, err
	}
	w.Users = demoUsers
	raw, err = json.MarshalIndent(&w, "", "  ")
	if err != nil {
		return nil, err
	}
	return &w, os.WriteFile(file, append(raw, '\n'), 0o600)
}

// demoKeys makes a key for each kind of user that there is now.
func (n *Node) demoKeys(ctx context.Context, w *demoWorld, agency id.BusinessCenter, brand id.Advertiser) error {
	for _, k := range []struct {
		who   string
		token campaign.Token
	}{
		{"agency", campaign.Token{Scope: campaign.ScopeManagement, Name: "demo agency", BusinessCenter: agency}},
		{"advertiser", campaign.Token{Scope: campaign.ScopeManagement, Name: "demo advertiser", Advertiser: brand}},
		{"", campaign.Token{Scope: campaign.ScopeEvent, Name: "demo events"}},
	} {
		_, secret, err := n.campaigns.CreateToken(ctx, demoEdit, k.token)
		if err != nil {
			return err
		}
		if k.who == "" {
			w.EventKey = secret
		} else {
			w.SignIns = append(w.SignIns, signIn{k.who, secret})
		}
	}
	return nil
}

// demoPeople stores the users that the feed will show.
func (n *Node) demoPeople(ctx context.Context, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	users := make([]userstore.User, 0, 1000)
	for i := range demoUsers {
		u := userstore.User{ID: "user-" + strconv.Itoa(i), Gender: audience.Gender(1 + (i+1)%2), Consent: audience.ConsentGranted}
		for range 2 + rng.IntN(5) {
			u.Interests = append(u.Interests, uint32(1+rng.IntN(40)))
		}
		for range 1 + rng.IntN(6) {
			u.Segments = append(u.Segments, uint32(1+rng.IntN(60)))
		}
		users = append(users, u)
		if len(users) == cap(users) || i == demoUsers-1 {
			if err := n.users.Upsert(ctx, users); err != nil {
				return err
			}
			users = users[:0]
		}
	}
	return nil
}

var demoShops = []struct {
	name, zone, country string
	tags                []string
}{
	{"Dune Sneakers", "Asia/Riyadh", "SA", []string{"fitness", "fashion"}}, {"Qahwa House", "Asia/Riyadh", "SA", []string{"food"}},
	{"Blue Reef Travel", "Africa/Cairo", "EG", []string{"travel"}}, {"Marina Beauty", "Asia/Dubai", "AE", []string{"beauty"}},
	{"Pixel Quest", "America/New_York", "US", []string{"gaming"}}, {"Stadtrad", "Europe/Berlin", "DE", []string{"fitness", "travel"}},
	{"Oud and Amber", "Asia/Dubai", "AE", []string{"beauty", "fashion"}}, {"Falcon Motors", "Asia/Riyadh", "SA", []string{"cars"}},
	{"Nile Books", "Africa/Cairo", "EG", nil}, {"Kite Sports", "America/New_York", "US", []string{"football", "fitness"}},
	{"Himal Tea", "Asia/Kathmandu", "SA", []string{"food"}}, {"Loop Headphones", "Europe/Berlin", "DE", []string{"music"}},
}

// demoTree makes twelve shops with two campaigns each.
func demoTree(agency id.BusinessCenter, seed uint64, now time.Time) campaign.Tree {
	rng := rand.New(rand.NewPCG(seed, 1))
	var t campaign.Tree
	for i, s := range demoShops {
		a := campaign.Advertiser{ID: id.Advertiser(i + 1), BusinessCenter: agency, Name: s.name, Currency: "USD", Zone: s.zone}
		a.Defaults()
		t.Advertisers = append(t.Advertisers, a)
		for k, objective := range []campaign.Objective{campaign.ObjectiveReach, campaign.ObjectiveTraffic} {
			c := campaign.Campaign{
				ID: id.Campaign(len(t.Campaigns) + 1), Advertiser: a.ID, Objective: objective, BudgetMode: campaign.BudgetDay,
				Budget: money.Micros(40+rng.IntN(160)) * 1_000_000, Name: []string{"Awareness", "Visits"}[k] + " " + s.name,
			}
			c.Defaults()
			t.Campaigns = append(t.Campaigns, c)
			for v := range 3 {
				demoAdGroup(&t, rng, &c, s.country, s.tags, v, now)
			}
		}
	}
	return t
}

func demoAdGroup(t *campaign.Tree, rng *rand.Rand, c *campaign.Campaign, country string, tags []string, variant int, now time.Time) {
	g := campaign.AdGroup{
		ID: id.AdGroup(len(t.AdGroups) + 1), Campaign: c.ID, Advertiser: c.Advertiser, Name: fmt.Sprintf("%s, audience %c", c.Name, 'A'+variant),
		BudgetMode: campaign.BudgetDay, Budget: money.Micros(15+rng.IntN(60)) * 1_000_000, Pacing: campaign.PacingSmooth,
		Goal: campaign.GoalShow, BillingEvent: campaign.CPM, BidPrice: money.Micros(800+rng.IntN(4200)) * 1000,
	}
	if c.Objective == campaign.ObjectiveTraffic {
		g.Goal, g.BillingEvent, g.BidPrice = campaign.GoalClick, campaign.CPC, money.Micros(50+rng.IntN(300))*1000
	}
	switch variant {
	case 0:
		g.LocationIDs = []string{country}
		g.AgeGroups = []campaign.AgeGroup{campaign.Age18to24, campaign.Age25to34, campaign.Age35to44}
	case 1:
		g.AudienceIDs = []string{strconv.Itoa(1 + rng.IntN(60)), strconv.Itoa(61 + rng.IntN(5))}
		if c.Objective == campaign.ObjectiveReach {
			g.Goal, g.Frequency, g.FrequencyDays = campaign.GoalReach, 3, 1
		}
	default:
		g.ContextualTagIDs = tags // of the content: also reaches people who said no
	}
	g.Defaults(now)
	t.AdGroups = append(t.AdGroups, g)
	shop := "https://" + strconv.FormatInt(int64(c.Advertiser), 10) + ".shop.example"
	for k := range 2 {
		n := strconv.Itoa(len(t.Ads) + 1)
		a := campaign.Ad{
			ID: id.Ad(len(t.Ads) + 1), AdGroup: g.ID, Campaign: c.ID, Advertiser: c.Advertiser, Name: "Creative " + n, Format: campaign.SingleVideo,
			Text: []string{"New this week", "Only today"}[k], VideoURL: shop + "/v/" + n + ".mp4", Width: 720, Height: 1280, DurationMS: 9000 + 3000*k,
			CallToAction: "SHOP_NOW", LandingPageURL: shop + "/p/" + n, DisplayName: t.Advertisers[len(t.Advertisers)-1].Name, Review: campaign.ReviewApproved,
		}
		a.Defaults()
		t.Ads = append(t.Ads, a)
	}
}
