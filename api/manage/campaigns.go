package manage

import (
	"context"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
)

// CampaignCreate makes a campaign.
func (a *api) CampaignCreate(ctx context.Context, r wire.CampaignCreateRequestObject) (wire.CampaignCreateResponseObject, error) {
	b, adv := r.Body, callOf(ctx).tenant.advertiser()
	budget, err := micros("budget", b.Budget)
	if err != nil {
		return nil, err
	}
	made, err := a.campaigns.CreateCampaign(ctx, edit(ctx, b.ValidateOnly, ""), campaign.Campaign{
		Advertiser: adv.ID, Name: b.CampaignName, Objective: b.ObjectiveType, BudgetMode: val(b.BudgetMode), Budget: val(budget),
		BudgetOptimizeOn: val(b.BudgetOptimizeOn), SpecialIndustries: val(b.SpecialIndustries), PONumber: val(b.PoNumber),
		OperationStatus: val(b.OperationStatus),
	})
	if err != nil {
		return nil, err
	}
	out, err := a.campaignAnswer(ctx, adv, made)
	return wire.CampaignCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

// CampaignUpdate changes what is named and leaves the rest.
func (a *api) CampaignUpdate(ctx context.Context, r wire.CampaignUpdateRequestObject) (wire.CampaignUpdateResponseObject, error) {
	b, c := r.Body, callOf(ctx)
	budget, err := micros("budget", b.Budget)
	if err != nil {
		return nil, err
	}
	which, err := oneID[id.Campaign]("campaign_id", b.CampaignId)
	if err != nil {
		return nil, err
	}
	patch := campaign.CampaignPatch{Name: b.CampaignName, Budget: budget, PONumber: b.PoNumber}
	clearTo(c, "po_number", &patch.PONumber)
	made, err := a.campaigns.UpdateCampaign(ctx, edit(ctx, b.ValidateOnly, ""), c.tenant.advertiser().ID, which, patch)
	if err != nil {
		return nil, err
	}
	out, err := a.campaignAnswer(ctx, c.tenant.advertiser(), made)
	return wire.CampaignUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, err
}

// CampaignStatusUpdate changes all or none.
func (a *api) CampaignStatusUpdate(ctx context.Context, r wire.CampaignStatusUpdateRequestObject) (wire.CampaignStatusUpdateResponseObject, error) {
	b := r.Body
	ids, err := idList[id.Campaign]("campaign_ids", &b.CampaignIds)
	if err != nil {
		return nil, err
	}
	if _, err := a.campaigns.SetCampaignStatus(ctx, edit(ctx, b.ValidateOnly, ""), callOf(ctx).tenant.advertiser().ID, ids, b.OperationStatus); err != nil {
		return nil, err
	}
	return wire.CampaignStatusUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.CampaignStatusChanged{CampaignIds: b.CampaignIds, Status: b.OperationStatus}}, nil
}

// CampaignGet lists campaigns, newest first.
func (a *api) CampaignGet(ctx context.Context, r wire.CampaignGetRequestObject) (wire.CampaignGetResponseObject, error) {
	p, adv := r.Params, callOf(ctx).tenant.advertiser()
	q := campaign.Query{Paging: pagingOf(p.Page, p.PageSize)}
	if f := p.Filtering; f != nil {
		ids, err := idList[int64]("filtering.campaign_ids", f.CampaignIds)
		if err != nil {
			return nil, err
		}
		q.IDs, q.Name, q.Objective, q.Statuses = ids, val(f.CampaignName), val(f.ObjectiveType), statusesOf(f.PrimaryStatus)
	}
	page, err := a.campaigns.Campaigns(ctx, adv.ID, q)
	if err != nil {
		return nil, err
	}
	list, err := a.campaignList(ctx, adv, page.List, wants(p.Fields, "secondary_status", "issues_info"))
	if err != nil {
		return nil, err
	}
	if list, err = project(p.Fields, list); err != nil {
		return nil, err
	}
	return wire.CampaignGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.CampaignList{List: list, PageInfo: pageInfo(q.Paging, page.Total)}}, nil
}

func (a *api) campaignAnswer(ctx context.Context, adv campaign.Advertiser, c campaign.Campaign) (wire.Campaign, error) {
	list, err := a.campaignList(ctx, adv, []campaign.Campaign{c}, true)
	if err != nil {
		return wire.Campaign{}, err
	}
	return list[0], nil
}

func (a *api) campaignList(ctx context.Context, adv campaign.Advertiser, list []campaign.Campaign, withStatus bool) ([]wire.Campaign, error) {
	d := &delivery{api: a, advertiser: adv}
	if withStatus {
		if err := d.loadMoney(ctx, list, nil); err != nil {
			return nil, err
		}
	}
	out := make([]wire.Campaign, len(list))
	for i := range list {
		out[i] = campaignWire(adv, &list[i])
		if withStatus {
			out[i].SecondaryStatus, out[i].IssuesInfo = d.status(campaign.Chain{Campaign: &list[i]})
		}
	}
	return out, nil
}

func campaignWire(adv campaign.Advertiser, c *campaign.Campaign) wire.Campaign {
	return wire.Campaign{
		CampaignId: c.ID.String(), AdvertiserId: new(c.Advertiser.String()), CampaignName: &c.Name, ObjectiveType: &c.Objective,
		BudgetMode: &c.BudgetMode, Budget: new(wire.DecimalOf(c.Budget)), BudgetOptimizeOn: &c.BudgetOptimizeOn,
		SpecialIndustries: listOf(c.SpecialIndustries), PoNumber: &c.PONumber, OperationStatus: &c.OperationStatus,
		Timezone: new(adv.Zone), Version: &c.Version, CreateTime: wire.TimeOf(c.CreatedAt), ModifyTime: wire.TimeOf(c.ModifiedAt),
	}
}
