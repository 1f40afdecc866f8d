package manage

import (
	"context"
	"time"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
)

// AdGroupCreate makes an ad group.
func (a *api) AdGroupCreate(ctx context.Context, r wire.AdGroupCreateRequestObject) (wire.AdGroupCreateResponseObject, error) {
	adv := callOf(ctx).tenant.advertiser()
	g, err := newAdGroup(adv.ID, r.Body)
	if err != nil {
		return nil, err
	}
	made, err := a.campaigns.CreateAdGroup(ctx, edit(ctx, r.Body.ValidateOnly, ""), g)
	if err != nil {
		return nil, err
	}
	out, err := a.adGroupAnswer(ctx, adv, made)
	return wire.AdGroupCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

func newAdGroup(adv id.Advertiser, b *wire.AdGroupCreateRequest) (campaign.AdGroup, error) {
	var none campaign.AdGroup
	parent, err := oneID[id.Campaign]("campaign_id", b.CampaignId)
	if err != nil {
		return none, err
	}
	budget, err := micros("budget", b.Budget)
	if err != nil {
		return none, err
	}
	bid, err := micros("bid_price", &b.BidPrice)
	if err != nil {
		return none, err
	}
	return campaign.AdGroup{
		Campaign: parent, Advertiser: adv, Name: b.AdgroupName, OperationStatus: val(b.OperationStatus),
		PlacementType: val(b.PlacementType), Placements: val(b.Placements),
		LocationIDs: val(b.LocationIds), ExcludedLocationIDs: val(b.ExcludedLocationIds), AgeGroups: val(b.AgeGroups), Gender: val(b.Gender),
		Languages: val(b.Languages), OperatingSystems: val(b.OperatingSystems), MinAndroidVersion: val(b.MinAndroidVersion),
		MinIOSVersion: val(b.MinIosVersion), InterestCategoryIDs: val(b.InterestCategoryIds), ContextualTagIDs: val(b.ContextualTagIds),
		AudienceIDs: val(b.AudienceIds), AudienceRule: val(b.AudienceRule), ExcludedAudienceIDs: val(b.ExcludedAudienceIds),
		BudgetMode: val(b.BudgetMode), Budget: val(budget), Goal: b.OptimizationGoal, BillingEvent: b.BillingEvent, BidType: val(b.BidType),
		BidPrice: val(bid), Pacing: val(b.Pacing), Frequency: val(b.Frequency), FrequencyDays: val(b.FrequencySchedule),
		ScheduleType: val(b.ScheduleType), ScheduleStart: val(b.ScheduleStartTime).Time, ScheduleEnd: val(b.ScheduleEndTime).Time, Dayparting: val(b.Dayparting),
		ClickWindow: val(b.ClickAttributionWindow), ViewWindow: val(b.ViewAttributionWindow), EngagedViewWindow: val(b.EngagedViewAttributionWindow),
		EventCount: val(b.AttributionEventCount), CommentDisabled: val(b.CommentDisabled), ShareDisabled: val(b.ShareDisabled),
		VideoDownloadDisabled: val(b.VideoDownloadDisabled),
	}, nil
}

// AdGroupUpdate changes what is named and leaves the rest.
func (a *api) AdGroupUpdate(ctx context.Context, r wire.AdGroupUpdateRequestObject) (wire.AdGroupUpdateResponseObject, error) {
	c := callOf(ctx)
	which, err := oneID[id.AdGroup]("adgroup_id", r.Body.AdgroupId)
	if err != nil {
		return nil, err
	}
	patch, err := adGroupPatch(c, r.Body)
	if err != nil {
		return nil, err
	}
	made, err := a.campaigns.UpdateAdGroup(ctx, edit(ctx, r.Body.ValidateOnly, ""), c.tenant.advertiser().ID, which, patch)
	if err != nil {
		return nil, err
	}
	out, err := a.adGroupAnswer(ctx, c.tenant.advertiser(), made)
	return wire.AdGroupUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

func adGroupPatch(c *call, b *wire.AdGroupUpdateRequest) (campaign.AdGroupPatch, error) {
	budget, err := micros("budget", b.Budget)
	if err != nil {
		return campaign.AdGroupPatch{}, err
	}
	bid, err := micros("bid_price", b.BidPrice)
	if err != nil {
		return campaign.AdGroupPatch{}, err
	}
	p := campaign.AdGroupPatch{
		Name: b.AdgroupName, PlacementType: b.PlacementType, Placements: b.Placements,
		LocationIDs: b.LocationIds, ExcludedLocationIDs: b.ExcludedLocationIds, AgeGroups: b.AgeGroups, Gender: b.Gender,
		Languages: b.Languages, OperatingSystems: b.OperatingSystems, MinAndroidVersion: b.MinAndroidVersion, MinIOSVersion: b.MinIosVersion,
		InterestCategoryIDs: b.InterestCategoryIds, ContextualTagIDs: b.ContextualTagIds, AudienceIDs: b.AudienceIds,
		AudienceRule: b.AudienceRule, ExcludedAudienceIDs: b.ExcludedAudienceIds,
		Budget: budget, BidPrice: bid, Pacing: b.Pacing, Frequency: b.Frequency, FrequencyDays: b.FrequencySchedule,
		ScheduleType: b.ScheduleType, ScheduleStart: instant(b.ScheduleStartTime), ScheduleEnd: instant(b.ScheduleEndTime), Dayparting: b.Dayparting,
		ClickWindow: b.ClickAttributionWindow, ViewWindow: b.ViewAttributionWindow, EngagedViewWindow: b.EngagedViewAttributionWindow,
		EventCount: b.AttributionEventCount, CommentDisabled: b.CommentDisabled, ShareDisabled: b.ShareDisabled, VideoDownloadDisabled: b.VideoDownloadDisabled,
	}
	clearTo(c, "min_android_version", &p.MinAndroidVersion)
	clearTo(c, "min_ios_version", &p.MinIOSVersion)
	clearTo(c, "dayparting", &p.Dayparting)
	clearTo(c, "frequency", &p.Frequency)
	clearTo(c, "frequency_schedule", &p.FrequencyDays)
	clearTo(c, "schedule_end_time", &p.ScheduleEnd)
	return p, nil
}

// clearTo makes a patch clear a field that the body sets to null.
func clearTo[T any](c *call, field string, p **T) {
	if c.cleared(field) {
		*p = new(T)
	}
}

func instant(t *wire.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// AdGroupStatusUpdate changes all or none.
func (a *api) AdGroupStatusUpdate(ctx context.Context, r wire.AdGroupStatusUpdateRequestObject) (wire.AdGroupStatusUpdateResponseObject, error) {
	b := r.Body
	ids, err := idList[id.AdGroup]("adgroup_ids", &b.AdgroupIds)
	if err != nil {
		return nil, err
	}
	if _, err := a.campaigns.SetAdGroupStatus(ctx, edit(ctx, b.ValidateOnly, ""), callOf(ctx).tenant.advertiser().ID, ids, b.OperationStatus); err != nil {
		return nil, err
	}
	return wire.AdGroupStatusUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.AdGroupStatusChanged{AdgroupIds: b.AdgroupIds, Status: b.OperationStatus}}, nil
}

// AdGroupGet lists ad groups, newest first.
func (a *api) AdGroupGet(ctx context.Context, r wire.AdGroupGetRequestObject) (wire.AdGroupGetResponseObject, error) {
	p, adv := r.Params, callOf(ctx).tenant.advertiser()
	q := campaign.Query{Paging: pagingOf(p.Page, p.PageSize)}
	if f := p.Filtering; f != nil {
		ids, err := idList[int64]("filtering.adgroup_ids", f.AdgroupIds)
		if err != nil {
			return nil, err
		}
		if q.Campaigns, err = idList[id.Campaign]("filtering.campaign_ids", f.CampaignIds); err != nil {
			return nil, err
		}
		q.IDs, q.Name, q.Statuses = ids, val(f.AdgroupName), statusesOf(f.PrimaryStatus)
	}
	page, err := a.campaigns.AdGroups(ctx, adv.ID, q)
	if err != nil {
		return nil, err
	}
	list, err := a.adGroupList(ctx, adv, page.List, wants(p.Fields, "secondary_status", "issues_info"))
	if err != nil {
		return nil, err
	}
	if list, err = project(p.Fields, list); err != nil {
		return nil, err
	}
	return wire.AdGroupGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.AdGroupList{List: list, PageInfo: pageInfo(q.Paging, page.Total)}}, nil
}

func (a *api) adGroupAnswer(ctx context.Context, adv campaign.Advertiser, g campaign.AdGroup) (wire.AdGroup, error) {
	list, err := a.adGroupList(ctx, adv, []campaign.AdGroup{g}, true)
	if err != nil {
		return wire.AdGroup{}, err
	}
	return list[0], nil
}

func (a *api) adGroupList(ctx context.Context, adv campaign.Advertiser, list []campaign.AdGroup, withStatus bool) ([]wire.AdGroup, error) {
	d := &delivery{api: a, advertiser: adv}
	if withStatus {
		groups, parents := make([]id.AdGroup, len(list)), make([]id.Campaign, len(list))
		for i := range list {
			groups[i], parents[i] = list[i].ID, list[i].Campaign
		}
		if err := d.loadParents(ctx, nil, parents); err != nil {
			return nil, err
		}
		if err := d.loadAds(ctx, groups); err != nil {
			return nil, err
		}
		if err := d.loadMoney(ctx, valuesOf(d.campaigns), list); err != nil {
			return nil, err
		}
	}
	out := make([]wire.AdGroup, len(list))
	for i := range list {
		out[i] = adGroupWire(adv, &list[i])
		if parent := d.campaigns[list[i].Campaign]; parent != nil {
			out[i].SecondaryStatus, out[i].IssuesInfo = d.status(campaign.Chain{Campaign: parent, AdGroup: &list[i], Ads: d.ads[list[i].ID]})
		}
	}
	return out, nil
}

func valuesOf[K comparable, V any](m map[K]*V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, *v)
	}
	return out
}

func adGroupWire(adv campaign.Advertiser, g *campaign.AdGroup) wire.AdGroup {
	return wire.AdGroup{
		AdgroupId: g.ID.String(), CampaignId: new(g.Campaign.String()), AdvertiserId: new(g.Advertiser.String()), AdgroupName: &g.Name,
		OperationStatus: &g.OperationStatus, PlacementType: &g.PlacementType, Placements: listOf(g.Placements),
		LocationIds: listOf(g.LocationIDs), ExcludedLocationIds: listOf(g.ExcludedLocationIDs), AgeGroups: listOf(g.AgeGroups), Gender: &g.Gender,
		Languages: listOf(g.Languages), OperatingSystems: listOf(g.OperatingSystems), MinAndroidVersion: optional(g.MinAndroidVersion),
		MinIosVersion: optional(g.MinIOSVersion), InterestCategoryIds: listOf(g.InterestCategoryIDs), ContextualTagIds: listOf(g.ContextualTagIDs),
		AudienceIds: listOf(g.AudienceIDs), AudienceRule: listOf(g.AudienceRule), ExcludedAudienceIds: listOf(g.ExcludedAudienceIDs),
		BudgetMode: &g.BudgetMode, Budget: new(wire.DecimalOf(g.Budget)), OptimizationGoal: &g.Goal, BillingEvent: &g.BillingEvent, BidType: &g.BidType,
		BidPrice: new(wire.DecimalOf(g.BidPrice)), Pacing: &g.Pacing, Frequency: &g.Frequency, FrequencySchedule: &g.FrequencyDays,
		ScheduleType: &g.ScheduleType, ScheduleStartTime: wire.TimeOf(g.ScheduleStart), ScheduleEndTime: wire.TimeOf(g.ScheduleEnd), Dayparting: optional(g.Dayparting),
		ClickAttributionWindow: &g.ClickWindow, ViewAttributionWindow: &g.ViewWindow, EngagedViewAttributionWindow: &g.EngagedViewWindow,
		AttributionEventCount: &g.EventCount, CommentDisabled: &g.CommentDisabled, ShareDisabled: &g.ShareDisabled,
		VideoDownloadDisabled: &g.VideoDownloadDisabled, Timezone: new(adv.Zone),
		Version: &g.Version, CreateTime: wire.TimeOf(g.CreatedAt), ModifyTime: wire.TimeOf(g.ModifiedAt),
	}
}
