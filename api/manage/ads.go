package manage

import (
	"context"
	"fmt"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
)

// AdCreate makes the creatives of one ad group. All are checked before the
// first is made, and a repeat with the same key goes on where it stopped, so
// nothing stays half written.
func (a *api) AdCreate(ctx context.Context, r wire.AdCreateRequestObject) (wire.AdCreateResponseObject, error) {
	b, adv := r.Body, callOf(ctx).tenant.advertiser()
	group, err := oneID[id.AdGroup]("adgroup_id", b.AdgroupId)
	if err != nil {
		return nil, err
	}
	if len(b.Creatives) > 1 && !val(b.ValidateOnly) {
		if _, err := a.createAds(ctx, adv.ID, group, b.Creatives, new(true)); err != nil {
			return nil, err
		}
	}
	made, err := a.createAds(ctx, adv.ID, group, b.Creatives, b.ValidateOnly)
	if err != nil {
		return nil, err
	}
	out, err := a.adsChanged(ctx, adv, made)
	return wire.AdCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

func (a *api) createAds(ctx context.Context, adv id.Advertiser, group id.AdGroup, list []wire.Creative, validateOnly *bool) ([]campaign.Ad, error) {
	made := make([]campaign.Ad, 0, len(list))
	for i := range list {
		c := &list[i]
		ad, err := a.campaigns.CreateAd(ctx, edit(ctx, validateOnly, fmt.Sprint("creative ", i)), campaign.Ad{
			AdGroup: group, Advertiser: adv, Name: c.AdName, OperationStatus: val(c.OperationStatus), Format: c.AdFormat, Text: val(c.AdText),
			VideoID: val(c.VideoId), VideoURL: val(c.VideoUrl), ImageIDs: val(c.ImageIds), ImageURLs: val(c.ImageUrls),
			Width: val(c.Width), Height: val(c.Height), DurationMS: val(c.DurationMs), CallToAction: val(c.CallToAction),
			LandingPageURL: val(c.LandingPageUrl), Deeplink: val(c.Deeplink), DisplayName: val(c.DisplayName),
			IdentityType: val(c.IdentityType), IdentityID: val(c.IdentityId),
		})
		if err != nil {
			return nil, inCreative(i, err)
		}
		made = append(made, ad)
	}
	return made, nil
}

// inCreative names the creative of a fault, unless the fault is of the ad group
// that all of them share.
func inCreative(i int, err error) error {
	f := asFault(err)
	if f.Code == CodeNotFound && len(f.Details) == 1 && f.Details[0].Field == "adgroup_id" {
		return f
	}
	return within(fmt.Sprintf("creatives[%d].", i), f)
}

// AdUpdate changes what is named and leaves the rest.
func (a *api) AdUpdate(ctx context.Context, r wire.AdUpdateRequestObject) (wire.AdUpdateResponseObject, error) {
	b, c := r.Body, callOf(ctx)
	group, err := oneID[id.AdGroup]("adgroup_id", b.AdgroupId)
	if err != nil {
		return nil, err
	}
	if c.version != 0 && len(b.Creatives) > 1 {
		return nil, invalid("If-Match", "NOT_ALLOWED_TOGETHER", "one version cannot be that of several ads: change one ad per request")
	}
	if err := a.sameGroup(ctx, c.tenant.advertiser().ID, group, b.Creatives); err != nil {
		return nil, err
	}
	if len(b.Creatives) > 1 && !val(b.ValidateOnly) {
		if _, err := a.updateAds(ctx, b.Creatives, new(true)); err != nil {
			return nil, err
		}
	}
	made, err := a.updateAds(ctx, b.Creatives, b.ValidateOnly)
	if err != nil {
		return nil, err
	}
	out, err := a.adsChanged(ctx, c.tenant.advertiser(), made)
	return wire.AdUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

// sameGroup refuses ads that are not the caller's or not in the ad group named.
func (a *api) sameGroup(ctx context.Context, adv id.Advertiser, group id.AdGroup, list []wire.CreativeUpdate) error {
	if _, err := a.campaigns.AdGroup(ctx, adv, group); err != nil {
		return err
	}
	for i := range list {
		field := fmt.Sprintf("creatives[%d].ad_id", i)
		which, err := oneID[id.Ad](field, list[i].AdId)
		if err != nil {
			return err
		}
		ad, err := a.campaigns.Ad(ctx, adv, which)
		if campaign.KindOf(err) == campaign.NotFound || err == nil && ad.AdGroup != group {
			return notFound(field, list[i].AdId)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *api) updateAds(ctx context.Context, list []wire.CreativeUpdate, validateOnly *bool) ([]campaign.Ad, error) {
	made := make([]campaign.Ad, 0, len(list))
	for i := range list {
		c := &list[i]
		which, err := oneID[id.Ad]("ad_id", c.AdId)
		if err != nil {
			return nil, inCreative(i, err)
		}
		ad, err := a.campaigns.UpdateAd(ctx, edit(ctx, validateOnly, ""), callOf(ctx).tenant.advertiser().ID, which, campaign.AdPatch{
			Name: c.AdName, Text: c.AdText, VideoID: c.VideoId, VideoURL: c.VideoUrl, ImageIDs: c.ImageIds, ImageURLs: c.ImageUrls,
			Width: c.Width, Height: c.Height, DurationMS: c.DurationMs, CallToAction: c.CallToAction, LandingPageURL: c.LandingPageUrl,
			Deeplink: c.Deeplink, DisplayName: c.DisplayName, IdentityType: c.IdentityType, IdentityID: c.IdentityId,
		})
		if err != nil {
			return nil, inCreative(i, err)
		}
		made = append(made, ad)
	}
	return made, nil
}

// AdStatusUpdate changes all or none.
func (a *api) AdStatusUpdate(ctx context.Context, r wire.AdStatusUpdateRequestObject) (wire.AdStatusUpdateResponseObject, error) {
	b := r.Body
	ids, err := idList[id.Ad]("ad_ids", &b.AdIds)
	if err != nil {
		return nil, err
	}
	if _, err := a.campaigns.SetAdStatus(ctx, edit(ctx, b.ValidateOnly, ""), callOf(ctx).tenant.advertiser().ID, ids, b.OperationStatus); err != nil {
		return nil, err
	}
	return wire.AdStatusUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.AdStatusChanged{AdIds: b.AdIds, Status: b.OperationStatus}}, nil
}

// AdReview is the operator's decision on an ad.
func (a *api) AdReview(ctx context.Context, r wire.AdReviewRequestObject) (wire.AdReviewResponseObject, error) {
	b, adv := r.Body, callOf(ctx).tenant.advertiser()
	which, err := oneID[id.Ad]("ad_id", b.AdId)
	if err != nil {
		return nil, err
	}
	ad, err := a.campaigns.ReviewAd(ctx, edit(ctx, nil, ""), adv.ID, which, b.ReviewStatus, val(b.RejectReasons))
	if err != nil {
		return nil, err
	}
	list, err := a.adList(ctx, adv, []campaign.Ad{ad}, true)
	if err != nil {
		return nil, err
	}
	return wire.AdReview200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: list[0]}, nil
}

// AdGet lists ads, newest first.
func (a *api) AdGet(ctx context.Context, r wire.AdGetRequestObject) (wire.AdGetResponseObject, error) {
	p, adv := r.Params, callOf(ctx).tenant.advertiser()
	q := campaign.Query{Paging: pagingOf(p.Page, p.PageSize)}
	if f := p.Filtering; f != nil {
		var err error
		if q.IDs, err = idList[int64]("filtering.ad_ids", f.AdIds); err != nil {
			return nil, err
		}
		if q.Campaigns, err = idList[id.Campaign]("filtering.campaign_ids", f.CampaignIds); err != nil {
			return nil, err
		}
		if q.AdGroups, err = idList[id.AdGroup]("filtering.adgroup_ids", f.AdgroupIds); err != nil {
			return nil, err
		}
		q.Name, q.Statuses = val(f.AdName), statusesOf(f.PrimaryStatus)
	}
	page, err := a.campaigns.Ads(ctx, adv.ID, q)
	if err != nil {
		return nil, err
	}
	list, err := a.adList(ctx, adv, page.List, wants(p.Fields, "secondary_status", "issues_info"))
	if err != nil {
		return nil, err
	}
	if list, err = project(p.Fields, list); err != nil {
		return nil, err
	}
	return wire.AdGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.AdList{List: list, PageInfo: pageInfo(q.Paging, page.Total)}}, nil
}

func (a *api) adsChanged(ctx context.Context, adv campaign.Advertiser, ads []campaign.Ad) (wire.AdsChanged, error) {
	list, err := a.adList(ctx, adv, ads, true)
	out := wire.AdsChanged{Creatives: list}
	for i := range ads {
		out.AdIds = append(out.AdIds, ads[i].ID.String())
	}
	return out, err
}

func (a *api) adList(ctx context.Context, adv campaign.Advertiser, list []campaign.Ad, withStatus bool) ([]wire.Ad, error) {
	d := &delivery{api: a, advertiser: adv}
	if withStatus {
		groups, parents := make([]id.AdGroup, len(list)), make([]id.Campaign, len(list))
		for i := range list {
			groups[i], parents[i] = list[i].AdGroup, list[i].Campaign
		}
		if err := d.loadParents(ctx, groups, parents); err != nil {
			return nil, err
		}
		if err := d.loadMoney(ctx, valuesOf(d.campaigns), valuesOf(d.adGroups)); err != nil {
			return nil, err
		}
	}
	out := make([]wire.Ad, len(list))
	for i := range list {
		out[i] = adWire(&list[i])
		c, g := d.campaigns[list[i].Campaign], d.adGroups[list[i].AdGroup]
		if c != nil && g != nil {
			out[i].SecondaryStatus, out[i].IssuesInfo = d.status(campaign.Chain{Campaign: c, AdGroup: g, Ad: &list[i]})
		}
	}
	return out, nil
}

func adWire(a *campaign.Ad) wire.Ad {
	return wire.Ad{
		AdId: a.ID.String(), AdgroupId: new(a.AdGroup.String()), CampaignId: new(a.Campaign.String()), AdvertiserId: new(a.Advertiser.String()),
		AdName: &a.Name, OperationStatus: &a.OperationStatus, AdFormat: &a.Format, AdText: &a.Text, VideoId: optional(a.VideoID), VideoUrl: optional(a.VideoURL),
		ImageIds: listOf(a.ImageIDs), ImageUrls: listOf(a.ImageURLs), Width: &a.Width, Height: &a.Height, DurationMs: &a.DurationMS,
		CallToAction: optional(a.CallToAction), LandingPageUrl: optional(a.LandingPageURL), Deeplink: optional(a.Deeplink), DisplayName: optional(a.DisplayName),
		IdentityType: &a.IdentityType, IdentityId: optional(a.IdentityID), ReviewStatus: &a.Review, RejectReasons: listOf(a.ReviewReasons),
		Version: &a.Version, CreateTime: wire.TimeOf(a.CreatedAt), ModifyTime: wire.TimeOf(a.ModifiedAt),
	}
}
