package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
)

func accounts(f *fixture) {
	bc := must(f.store.CreateBusinessCenter(f.ctx, f.edit, campaign.BusinessCenter{Name: "Wasit agency"}))(f)
	if got := must(f.store.BusinessCenter(f.ctx, bc.ID))(f); got != bc || bc.Version != 1 {
		f.Errorf("read back %+v, created %+v", got, bc)
	}
	in := campaign.Advertiser{Name: "Oud", BusinessCenter: bc.ID, Currency: "VND", Zone: "Asia/Kathmandu", SpendCap: 5 * unit}
	adv := must(f.store.CreateAdvertiser(f.ctx, f.edit, in))(f)
	if adv.Status != campaign.AdvertiserEnabled || !adv.CreatedAt.Equal(start) {
		f.Errorf("defaults are missing: %+v", adv)
	}
	f.clock.Advance(time.Hour)
	up := must(f.store.UpdateAdvertiser(f.ctx, f.edit, adv.ID, campaign.AdvertiserPatch{Name: p("Oud & Musk")}))(f)
	if up.Name != "Oud & Musk" || up.SpendCap != adv.SpendCap || up.Version != 2 || !up.ModifiedAt.Equal(start.Add(time.Hour)) {
		f.Errorf("updated to %+v", up)
	}
	if got := must(f.store.Advertiser(f.ctx, adv.ID))(f); got != up {
		f.Errorf("read back %+v, want %+v", got, up)
	}
	page := must(f.store.Advertisers(f.ctx, campaign.AdvertiserQuery{BusinessCenter: bc.ID}))(f)
	if page.Total != 1 || page.List[0].ID != adv.ID {
		f.Errorf("advertisers of the business center: %+v", page)
	}
	page = must(f.store.Advertisers(f.ctx, campaign.AdvertiserQuery{Name: "musk"}))(f)
	if page.Total != 1 {
		f.Errorf("advertisers with musk in the name: %d", page.Total)
	}
	_, err := f.store.CreateAdvertiser(f.ctx, f.edit, campaign.Advertiser{Name: "x", BusinessCenter: 77, Currency: "SAR", Zone: "UTC"})
	f.fails(err, campaign.NotFound, "bc_id")
	_, err = f.store.CreateAdvertiser(f.ctx, f.edit, campaign.Advertiser{Currency: "XXX", Zone: "Mars/Base", SpendCap: -1})
	f.fails(err, campaign.Invalid, "advertiser_name")
	if es := campaign.ErrorsOf(err); len(es) != 4 {
		f.Errorf("%d mistakes were found, want 4: %v", len(es), err)
	}
	if centers := must(f.store.BusinessCenters(f.ctx, campaign.Paging{}))(f); centers.Total != 1 {
		f.Errorf("%d business centers", centers.Total)
	}
}

func create(f *fixture) {
	c, g, a := f.chain(f.a.ID)
	if got := must(f.store.Campaign(f.ctx, f.a.ID, c.ID))(f); !reflect.DeepEqual(got, c) {
		f.Errorf("read back %+v, created %+v", got, c)
	}
	if got := must(f.store.AdGroup(f.ctx, f.a.ID, g.ID))(f); !reflect.DeepEqual(got, g) {
		f.Errorf("read back %+v, created %+v", got, g)
	}
	if got := must(f.store.Ad(f.ctx, f.a.ID, a.ID))(f); !reflect.DeepEqual(got, a) {
		f.Errorf("read back %+v, created %+v", got, a)
	}
	if a.Campaign != c.ID || a.Review != campaign.ReviewApproved || g.Pacing != campaign.PacingSmooth || !g.ScheduleStart.Equal(start) {
		f.Errorf("defaults are missing: %+v %+v", g, a)
	}
	if c.ID == 0 || int64(g.ID) <= int64(c.ID) || int64(a.ID) <= int64(g.ID) {
		f.Errorf("ids do not rise: %d %d %d", c.ID, g.ID, a.ID)
	}
	// Names that databases and JSON trip over come back as they were.
	for _, name := range []string{`O'Brien "&<>\ ?`, "قهوة 🐪", "100%_!?1", "; DROP TABLE objects; --"} {
		in := Campaign(f.a.ID)
		in.Name = name
		out := must(f.store.CreateCampaign(f.ctx, f.edit, in))(f)
		if got := must(f.store.Campaign(f.ctx, f.a.ID, out.ID))(f); got.Name != name {
			f.Errorf("name %q came back as %q", name, got.Name)
		}
	}
	bad := AdGroup(c)
	bad.BidPrice, bad.Name, bad.LocationIDs = -1, "", []string{"SA", "Mars"}
	_, err := f.store.CreateAdGroup(f.ctx, f.edit, bad)
	f.fails(err, campaign.Invalid, "adgroup_name")
	if es := campaign.ErrorsOf(err); len(es) != 3 {
		f.Errorf("%d mistakes were found, want 3: %v", len(es), err)
	}
	deleted := Campaign(f.a.ID)
	deleted.OperationStatus = campaign.Delete
	_, err = f.store.CreateCampaign(f.ctx, f.edit, deleted)
	f.fails(err, campaign.Invalid, "operation_status")
}

func update(f *fixture) {
	c, g, a := f.chain(f.a.ID)
	f.clock.Advance(48 * time.Hour) // the start is past now, and stays allowed
	g2 := must(f.store.UpdateAdGroup(f.ctx, f.edit, f.a.ID, g.ID, campaign.AdGroupPatch{BidPrice: p(unit), Languages: p([]string(nil))}))(f)
	if g2.BidPrice != unit || g2.Languages != nil || g2.Name != g.Name || g2.Version != 2 || len(g2.LocationIDs) != 2 {
		f.Errorf("updated to %+v", g2)
	}
	_, err := f.store.UpdateAdGroup(f.ctx, f.edit, f.a.ID, g.ID, campaign.AdGroupPatch{BidPrice: p(101 * unit)})
	f.fails(err, campaign.Invalid, "bid_price")
	_, err = f.store.UpdateAdGroup(f.ctx, f.edit, f.a.ID, g.ID, campaign.AdGroupPatch{ScheduleStart: p(start.Add(time.Hour))})
	f.fails(err, campaign.Invalid, "schedule_start_time")
	if got := must(f.store.AdGroup(f.ctx, f.a.ID, g.ID))(f); !reflect.DeepEqual(got, g2) {
		f.Errorf("a refused edit left %+v", got)
	}
	c2 := must(f.store.UpdateCampaign(f.ctx, f.edit, f.a.ID, c.ID, campaign.CampaignPatch{Budget: p(900 * unit)}))(f)
	if c2.Budget != 900*unit || c2.Objective != c.Objective || c2.Version != 2 {
		f.Errorf("updated to %+v", c2)
	}
	a2 := must(f.store.UpdateAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.AdPatch{Text: p("new")}))(f)
	if a2.Text != "new" || a2.VideoURL != a.VideoURL {
		f.Errorf("updated to %+v", a2)
	}
	same := must(f.store.UpdateAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.AdPatch{Text: p("new")}))(f)
	if same.Version != a2.Version {
		f.Errorf("an edit that changes nothing made version %d of %d", same.Version, a2.Version)
	}
	_, err = f.store.UpdateAd(f.ctx, f.edit, f.a.ID, a.ID+1, campaign.AdPatch{})
	f.fails(err, campaign.NotFound, "ad_id")
}

func status(f *fixture) {
	c, g, a := f.chain(f.a.ID)
	c2, g2, _ := f.chain(f.a.ID)
	both := must(f.store.SetCampaignStatus(f.ctx, f.edit, f.a.ID, []id.Campaign{c.ID, c2.ID}, campaign.Disable))(f)
	if len(both) != 2 || both[1].OperationStatus != campaign.Disable || both[0].Version != 2 {
		f.Errorf("disabled %+v", both)
	}
	_, err := f.store.SetAdGroupStatus(f.ctx, f.edit, f.a.ID, []id.AdGroup{g.ID, 12345}, campaign.Disable)
	f.fails(err, campaign.NotFound, "adgroup_id")
	if got := must(f.store.AdGroup(f.ctx, f.a.ID, g.ID))(f); got.OperationStatus != campaign.Enable {
		f.Error("half of a status update was done")
	}
	_, err = f.store.SetAdStatus(f.ctx, f.edit, f.a.ID, []id.Ad{a.ID}, "PAUSE")
	f.fails(err, campaign.Invalid, "operation_status")
	_, err = f.store.SetAdStatus(f.ctx, f.edit, f.a.ID, nil, campaign.Enable)
	f.fails(err, campaign.Invalid, "ad_ids")
	_, err = f.store.SetAdStatus(f.ctx, f.edit, f.a.ID, make([]id.Ad, campaign.MaxIDs+1), campaign.Enable)
	f.fails(err, campaign.Invalid, "ad_ids")

	must(f.store.SetAdGroupStatus(f.ctx, f.edit, f.a.ID, []id.AdGroup{g2.ID}, campaign.Delete))(f)
	_, err = f.store.SetAdGroupStatus(f.ctx, f.edit, f.a.ID, []id.AdGroup{g2.ID}, campaign.Enable)
	f.fails(err, campaign.Invalid, "adgroup_id")
	_, err = f.store.UpdateAdGroup(f.ctx, f.edit, f.a.ID, g2.ID, campaign.AdGroupPatch{Name: p("back again")})
	f.fails(err, campaign.Invalid, "adgroup_id")
	_, err = f.store.CreateAd(f.ctx, f.edit, Ad(g2))
	f.fails(err, campaign.Invalid, "adgroup_id")
	again := must(f.store.SetAdGroupStatus(f.ctx, f.edit, f.a.ID, []id.AdGroup{g2.ID, g2.ID}, campaign.Delete))(f)
	if again[1].Version != 2 {
		f.Errorf("deleting what is deleted made version %d", again[1].Version)
	}
	if got := must(f.store.AdGroup(f.ctx, f.a.ID, g2.ID))(f); got.OperationStatus != campaign.Delete {
		f.Error("what is deleted cannot be read")
	}
}

func list(f *fixture) {
	var made []campaign.Campaign
	for i := range 23 {
		in := Campaign(f.a.ID)
		in.Name = fmt.Sprintf("Campaign %02d", i)
		if i%2 == 1 {
			in.Objective = campaign.ObjectiveReach
		}
		made = append(made, must(f.store.CreateCampaign(f.ctx, f.edit, in))(f))
	}
	query := func(q campaign.Query) campaign.Page[campaign.Campaign] {
		f.Helper()
		return must(f.store.Campaigns(f.ctx, f.a.ID, q))(f)
	}
	first := query(campaign.Query{})
	if first.Total != 23 || len(first.List) != campaign.DefaultPage || first.List[0].ID != made[22].ID {
		f.Errorf("first page: %d of %d, newest %s", len(first.List), first.Total, first.List[0].Name)
	}
	last := query(campaign.Query{Paging: campaign.Paging{Page: 3, PageSize: 10}})
	if len(last.List) != 3 || last.List[2].ID != made[0].ID {
		f.Errorf("third page: %d", len(last.List))
	}
	if beyond := query(campaign.Query{Paging: campaign.Paging{Page: 9}}); beyond.Total != 23 || len(beyond.List) != 0 {
		f.Errorf("a page beyond the end: %d of %d", len(beyond.List), beyond.Total)
	}
	count := func(want int, q campaign.Query) {
		f.Helper()
		if got := query(q).Total; got != want {
			f.Errorf("%d campaigns, want %d", got, want)
		}
	}
	count(1, campaign.Query{Name: "campaign 07"})
	count(0, campaign.Query{Name: "%"})
	count(11, campaign.Query{Objective: campaign.ObjectiveReach})
	count(2, campaign.Query{IDs: []int64{int64(made[3].ID), int64(made[4].ID), 99}})
	must(f.store.SetCampaignStatus(f.ctx, f.edit, f.a.ID, []id.Campaign{made[0].ID}, campaign.Delete))(f)
	must(f.store.SetCampaignStatus(f.ctx, f.edit, f.a.ID, []id.Campaign{made[1].ID}, campaign.Disable))(f)
	count(22, campaign.Query{})
	count(1, campaign.Query{Statuses: []campaign.OperationStatus{campaign.Delete}})
	count(2, campaign.Query{Statuses: []campaign.OperationStatus{campaign.Delete, campaign.Disable}})
	for _, q := range []campaign.Query{{Paging: campaign.Paging{Page: -1}}, {Paging: campaign.Paging{PageSize: campaign.MaxPageSize + 1}},
		{IDs: make([]int64, campaign.MaxIDs+1)}} {
		_, err := f.store.Campaigns(f.ctx, f.a.ID, q)
		f.fails(err, campaign.Invalid, "")
	}
	f.listBelow(made[5])
}

func (f *fixture) listBelow(c campaign.Campaign) {
	in := AdGroup(c)
	in.Goal, in.BillingEvent = campaign.GoalReach, campaign.CPM
	if c.Objective != campaign.ObjectiveReach {
		in.Goal, in.BillingEvent = campaign.GoalClick, campaign.CPC
	}
	g := must(f.store.CreateAdGroup(f.ctx, f.edit, in))(f)
	other := must(f.store.CreateAdGroup(f.ctx, f.edit, in))(f)
	a := must(f.store.CreateAd(f.ctx, f.edit, Ad(g)))(f)
	must(f.store.CreateAd(f.ctx, f.edit, Ad(other)))(f)
	if page := must(f.store.AdGroups(f.ctx, f.a.ID, campaign.Query{Campaigns: []id.Campaign{c.ID}}))(f); page.Total != 2 {
		f.Errorf("%d ad groups of the campaign, want 2", page.Total)
	}
	page := must(f.store.Ads(f.ctx, f.a.ID, campaign.Query{AdGroups: []id.AdGroup{g.ID}}))(f)
	if page.Total != 1 || page.List[0].ID != a.ID {
		f.Errorf("ads of the ad group: %+v", page)
	}
	if page := must(f.store.Ads(f.ctx, f.a.ID, campaign.Query{Campaigns: []id.Campaign{c.ID}}))(f); page.Total != 2 {
		f.Errorf("%d ads of the campaign, want 2", page.Total)
	}
}

func review(f *fixture) {
	_, _, a := f.chain(f.a.ID)
	_, err := f.store.ReviewAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.ReviewRejected, nil)
	f.fails(err, campaign.Invalid, "reject_reasons")
	no := must(f.store.ReviewAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.ReviewRejected, []string{"misleading"}))(f)
	if no.Review != campaign.ReviewRejected || no.ReviewReasons[0] != "misleading" {
		f.Errorf("rejected: %+v", no)
	}
	renamed := must(f.store.UpdateAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.AdPatch{Name: p("other")}))(f)
	if renamed.Review != campaign.ReviewRejected {
		f.Error("a new name undid the review")
	}
	f.close()
	f.setup.ReviewFirst = true
	f.store, f.close = f.open(f, f.setup)
	changed := must(f.store.UpdateAd(f.ctx, f.edit, f.a.ID, a.ID, campaign.AdPatch{Text: p("other")}))(f)
	if changed.Review != campaign.ReviewPending || changed.ReviewReasons != nil {
		f.Errorf("a new text leaves review at %s %v", changed.Review, changed.ReviewReasons)
	}
	if _, _, fresh := f.chain(f.a.ID); fresh.Review != campaign.ReviewPending {
		f.Errorf("a new ad is %s", fresh.Review)
	}
}

// oddTexts: what people may type is kept and found as it is, on every engine.
func oddTexts(f *fixture) {
	for _, name := range []string{`back\slash \' ''quoted''`, "CAFÉ und Ärger", "قهوة", "a?b $1 :x ?0 %_!", "\U0001F3EE \\u0000", "“”", strings.Repeat("ж", 100)} {
		in := Campaign(f.a.ID)
		in.Name = name
		made := must(f.store.CreateCampaign(f.ctx, f.edit, in))(f)
		if got := must(f.store.Campaign(f.ctx, f.a.ID, made.ID))(f); got.Name != name {
			f.Errorf("%q was read back as %q", name, got.Name)
		}
		if page := must(f.store.Campaigns(f.ctx, f.a.ID, campaign.Query{Name: name}))(f); page.Total != 1 {
			f.Errorf("%q is found %d times", name, page.Total)
		}
	}
	for part, want := range map[string]int{"café": 0, "cafÉ": 1, "UND ärger": 0, "UND Ärger": 1, `\`: 2, "$1": 1, "b $": 1, "_": 1} {
		if page := must(f.store.Campaigns(f.ctx, f.a.ID, campaign.Query{Name: part}))(f); page.Total != want {
			f.Errorf("%q is found %d times, want %d: letters other than A to Z are as they are", part, page.Total, want)
		}
	}
}
