package manage

import (
	"context"
	"errors"
	"time"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// delivery collects what secondary_status depends on for one page of objects of
// one advertiser: a few queries per page, not per object.
type delivery struct {
	*api
	advertiser campaign.Advertiser
	now        time.Time
	day        int32
	balance    money.Sum
	spent      map[ledger.Limit]money.Sum

	campaigns map[id.Campaign]*campaign.Campaign
	adGroups  map[id.AdGroup]*campaign.AdGroup
	ads       map[id.AdGroup][]campaign.Ad
}

// loadMoney reads the wallet and the totals of exactly the limits that exist.
func (d *delivery) loadMoney(ctx context.Context, campaigns []campaign.Campaign, groups []campaign.AdGroup) error {
	d.now = d.clock.Now()
	d.day = localDay(d.now, d.advertiser.Zone)
	left, err := d.balanceOf(ctx, d.advertiser)
	if err != nil {
		return err
	}
	d.balance, d.spent = left, map[ledger.Limit]money.Sum{}
	asked := map[ledger.Limit]bool{}
	var limits []ledger.Limit
	ask := func(kind ledger.LimitKind, owner int64, day int32) {
		if l := (ledger.Limit{Kind: kind, Owner: owner, Day: day}); !asked[l] {
			asked[l] = true
			limits = append(limits, l)
		}
	}
	if d.advertiser.SpendCap > 0 {
		ask(ledger.AdvertiserCap, int64(d.advertiser.ID), 0)
	}
	for i := range campaigns {
		askBudget(ask, campaigns[i].BudgetMode, ledger.CampaignDay, int64(campaigns[i].ID), d.day)
	}
	for i := range groups {
		askBudget(ask, groups[i].BudgetMode, ledger.AdGroupDay, int64(groups[i].ID), d.day)
	}
	if len(limits) == 0 {
		return nil
	}
	totals, err := d.wallets.Spend(ctx, ledger.SpendQuery{Limits: limits})
	if err != nil {
		return err
	}
	for _, t := range totals {
		d.spent[t.Limit] = t.Spent
	}
	return nil
}

// askBudget asks for the day's total or, by the kind that follows it, the lifetime's.
func askBudget(ask func(ledger.LimitKind, int64, int32), mode campaign.BudgetMode, daily ledger.LimitKind, owner int64, day int32) {
	switch {
	case mode.Daily():
		ask(daily, owner, day)
	case mode == campaign.BudgetTotal:
		ask(daily+1, owner, 0)
	}
}

// loadParents fetches the campaigns of ad groups and, for ads, the ad groups.
func (d *delivery) loadParents(ctx context.Context, groups []id.AdGroup, campaigns []id.Campaign) error {
	d.campaigns, d.adGroups = map[id.Campaign]*campaign.Campaign{}, map[id.AdGroup]*campaign.AdGroup{}
	if ids := distinct(groups); len(ids) > 0 {
		page, err := d.api.campaigns.AdGroups(ctx, d.advertiser.ID, allOf(ids))
		if err != nil {
			return err
		}
		for i := range page.List {
			d.adGroups[page.List[i].ID] = &page.List[i]
		}
	}
	if ids := distinct(campaigns); len(ids) > 0 {
		page, err := d.api.campaigns.Campaigns(ctx, d.advertiser.ID, allOf(ids))
		if err != nil {
			return err
		}
		for i := range page.List {
			d.campaigns[page.List[i].ID] = &page.List[i]
		}
	}
	return nil
}

// loadAds fetches the ads below ad groups.
func (d *delivery) loadAds(ctx context.Context, groups []id.AdGroup) error {
	d.ads = map[id.AdGroup][]campaign.Ad{}
	for page, more := 1, len(groups) > 0; more; page++ {
		got, err := d.api.campaigns.Ads(ctx, d.advertiser.ID, campaign.Query{AdGroups: groups,
			Paging: campaign.Paging{Page: page, PageSize: campaign.MaxPageSize}})
		if err != nil {
			return err
		}
		for _, ad := range got.List {
			d.ads[ad.AdGroup] = append(d.ads[ad.AdGroup], ad)
		}
		more = page*campaign.MaxPageSize < got.Total
	}
	return nil
}

// status says what is true of the lowest object of the chain.
func (d *delivery) status(c campaign.Chain) (*string, *[]wire.Issue) {
	c.Advertiser = &d.advertiser
	f := campaign.Facts{Now: d.now, Balance: d.balance, AdvertiserSpent: d.total(ledger.AdvertiserCap, int64(d.advertiser.ID), 0),
		CampaignDay: d.total(ledger.CampaignDay, int64(c.Campaign.ID), d.day), CampaignSpent: d.total(ledger.CampaignLifetime, int64(c.Campaign.ID), 0)}
	if c.AdGroup != nil {
		f.AdGroupDay = d.total(ledger.AdGroupDay, int64(c.AdGroup.ID), d.day)
		f.AdGroupSpent = d.total(ledger.AdGroupLifetime, int64(c.AdGroup.ID), 0)
	}
	e := c.Effective(f)
	issues := make([]wire.Issue, 0, len(e.Issues))
	for _, i := range e.Issues {
		issues = append(issues, wire.Issue{Code: string(i.Code), Level: string(i.Level), Message: i.Message})
	}
	return &e.Status, &issues
}

func (d *delivery) total(kind ledger.LimitKind, owner int64, day int32) money.Sum {
	return d.spent[ledger.Limit{Kind: kind, Owner: owner, Day: day}]
}

// balanceOf is what an advertiser can still spend; no wallet yet is nothing.
func (s *Server) balanceOf(ctx context.Context, adv campaign.Advertiser) (money.Sum, error) {
	b, err := s.wallets.Wallet(ctx, adv.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		return money.Sum{}, nil
	}
	return b.Left(), err
}

// localDay is yyyymmdd in a zone that was checked when the advertiser was made.
func localDay(t time.Time, zone string) int32 {
	if loc, err := time.LoadLocation(zone); err == nil {
		t = t.In(loc)
	}
	y, m, day := t.Date()
	return int32(y*10000 + int(m)*100 + day)
}

func distinct[T ~int64](list []T) []int64 {
	seen := map[T]bool{}
	var out []int64
	for _, v := range list {
		if !seen[v] {
			seen[v] = true
			out = append(out, int64(v))
		}
	}
	return out
}

// allOf asks for objects by id, deleted ones included.
func allOf(ids []int64) campaign.Query {
	return campaign.Query{IDs: ids, Statuses: everyStatus(), Paging: campaign.Paging{Page: 1, PageSize: campaign.MaxPageSize}}
}
