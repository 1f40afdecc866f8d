package storetest

import (
	"reflect"

	"mazad/campaign"
	"mazad/internal/id"
)

// isolation tries every method that takes an advertiser with the ids of
// another: each answers NotFound, and nothing of the other changes.
func isolation(f *fixture) {
	c, g, a := f.chain(f.a.ID)
	token, _, err := f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: campaign.ScopeManagement, Name: "a", Advertiser: f.a.ID})
	f.ok(err)
	before := must(f.store.LoadAll(f.ctx))(f)
	mine, mineGroup, _ := f.chain(f.b.ID)
	b := f.b.ID

	foreign := func(name, field string, err error) {
		f.Helper()
		es := campaign.ErrorsOf(err)
		if len(es) != 1 || es[0].Kind != campaign.NotFound || es[0].Field != field {
			f.Errorf("%s: got %v, want one NotFound of %s", name, err, field)
		}
	}
	_, err = f.store.Campaign(f.ctx, b, c.ID)
	foreign("Campaign", "campaign_id", err)
	_, err = f.store.AdGroup(f.ctx, b, g.ID)
	foreign("AdGroup", "adgroup_id", err)
	_, err = f.store.Ad(f.ctx, b, a.ID)
	foreign("Ad", "ad_id", err)
	_, err = f.store.UpdateCampaign(f.ctx, f.edit, b, c.ID, campaign.CampaignPatch{Name: p("x")})
	foreign("UpdateCampaign", "campaign_id", err)
	_, err = f.store.UpdateAdGroup(f.ctx, f.edit, b, g.ID, campaign.AdGroupPatch{Name: p("x")})
	foreign("UpdateAdGroup", "adgroup_id", err)
	_, err = f.store.UpdateAd(f.ctx, f.edit, b, a.ID, campaign.AdPatch{Name: p("x")})
	foreign("UpdateAd", "ad_id", err)
	_, err = f.store.SetCampaignStatus(f.ctx, f.edit, b, []id.Campaign{mine.ID, c.ID}, campaign.Delete)
	foreign("SetCampaignStatus", "campaign_id", err)
	_, err = f.store.SetAdGroupStatus(f.ctx, f.edit, b, []id.AdGroup{g.ID}, campaign.Delete)
	foreign("SetAdGroupStatus", "adgroup_id", err)
	_, err = f.store.SetAdStatus(f.ctx, f.edit, b, []id.Ad{a.ID}, campaign.Delete)
	foreign("SetAdStatus", "ad_id", err)
	_, err = f.store.ReviewAd(f.ctx, f.edit, b, a.ID, campaign.ReviewApproved, nil)
	foreign("ReviewAd", "ad_id", err)
	under := AdGroup(c)
	under.Advertiser = b
	_, err = f.store.CreateAdGroup(f.ctx, f.edit, under)
	foreign("CreateAdGroup", "campaign_id", err)
	below := Ad(g)
	below.Advertiser = b
	_, err = f.store.CreateAd(f.ctx, f.edit, below)
	foreign("CreateAd", "adgroup_id", err)
	_, err = f.store.RevokeToken(f.ctx, f.edit, campaign.TokenOwner{Advertiser: b}, token.ID)
	foreign("RevokeToken", "token_id", err)
	_, err = f.store.CreateTree(f.ctx, f.edit, campaign.Tree{AdGroups: []campaign.AdGroup{under}})
	foreign("CreateTree of an ad group", "adgroups[0].campaign_id", err)
	_, err = f.store.CreateTree(f.ctx, f.edit, campaign.Tree{AdGroups: []campaign.AdGroup{AdGroup(c), under}})
	foreign("CreateTree of two ad groups", "adgroups[1].campaign_id", err)
	_, err = f.store.CreateTree(f.ctx, f.edit, campaign.Tree{Ads: []campaign.Ad{Ad(mineGroup), below}})
	foreign("CreateTree of an ad", "ads[1].adgroup_id", err)
	// A kind is not another kind.
	_, err = f.store.Campaign(f.ctx, f.a.ID, id.Campaign(g.ID))
	foreign("Campaign with the id of an ad group", "campaign_id", err)

	f.listsShowNothing(b, c, g, a)
	after := must(f.store.LoadAll(f.ctx))(f)
	if !reflect.DeepEqual(before.Campaigns, after.Campaigns[:1]) || !reflect.DeepEqual(before.AdGroups, after.AdGroups[:1]) || !reflect.DeepEqual(before.Ads, after.Ads[:1]) {
		f.Error("something of the other advertiser changed")
	}
}

// listsShowNothing asks for another's objects in every list.
func (f *fixture) listsShowNothing(b id.Advertiser, c campaign.Campaign, g campaign.AdGroup, a campaign.Ad) {
	f.Helper()
	q := campaign.Query{IDs: []int64{int64(c.ID), int64(g.ID), int64(a.ID)}}
	if n := must(f.store.Campaigns(f.ctx, b, q))(f).Total + must(f.store.AdGroups(f.ctx, b, q))(f).Total + must(f.store.Ads(f.ctx, b, q))(f).Total; n != 0 {
		f.Errorf("lists show %d objects of another advertiser", n)
	}
	if page := must(f.store.Ads(f.ctx, b, campaign.Query{Campaigns: []id.Campaign{c.ID}, AdGroups: []id.AdGroup{g.ID}}))(f); page.Total != 0 {
		f.Error("ads of another's campaign are listed")
	}
	for _, ch := range must(f.store.Changes(f.ctx, b, campaign.Paging{PageSize: 1000}))(f).List {
		if ch.Advertiser != b {
			f.Errorf("the change log shows %+v", ch)
		}
	}
	if got := must(f.store.AdvertiserTokens(f.ctx, b))(f); len(got) != 0 {
		f.Errorf("tokens of another: %+v", got)
	}
}
