package manage

import (
	"context"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
)

// BcCreate makes a business center.
func (a *api) BcCreate(ctx context.Context, r wire.BcCreateRequestObject) (wire.BcCreateResponseObject, error) {
	made, err := a.campaigns.CreateBusinessCenter(ctx, edit(ctx, nil, ""), campaign.BusinessCenter{Name: r.Body.BcName})
	if err != nil {
		return nil, err
	}
	return wire.BcCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: bcWire(&made)}, nil
}

// BcGet lists the business centers that the token belongs to; the operator sees all.
func (a *api) BcGet(ctx context.Context, r wire.BcGetRequestObject) (wire.BcGetResponseObject, error) {
	c, p := callOf(ctx), pagingOf(r.Params.Page, r.Params.PageSize)
	var page campaign.Page[campaign.BusinessCenter]
	var err error
	switch {
	case c.who.Operator:
		page, err = a.campaigns.BusinessCenters(ctx, p)
	case c.who.Owner.BusinessCenter != 0:
		var one campaign.BusinessCenter
		one, err = a.campaigns.BusinessCenter(ctx, c.who.Owner.BusinessCenter)
		page = campaign.Page[campaign.BusinessCenter]{List: slicePage([]campaign.BusinessCenter{one}, p), Total: 1}
	}
	if err != nil {
		return nil, err
	}
	out := wire.BcList{List: make([]wire.BusinessCenter, len(page.List)), PageInfo: pageInfo(p, page.Total)}
	for i := range page.List {
		out.List[i] = bcWire(&page.List[i])
	}
	return wire.BcGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

// AdvertiserCreate makes an advertiser in the business center and opens its wallet.
func (a *api) AdvertiserCreate(ctx context.Context, r wire.AdvertiserCreateRequestObject) (wire.AdvertiserCreateResponseObject, error) {
	b := r.Body
	limit, err := micros("spend_cap", b.SpendCap)
	if err != nil {
		return nil, err
	}
	made, err := a.campaigns.CreateAdvertiser(ctx, edit(ctx, b.ValidateOnly, ""), campaign.Advertiser{
		BusinessCenter: callOf(ctx).tenant.bc, Name: b.AdvertiserName, Currency: money.Currency(b.Currency), Zone: b.Timezone, SpendCap: val(limit),
	})
	if err != nil {
		return nil, err
	}
	if !val(b.ValidateOnly) {
		if err := a.wallets.OpenWallet(ctx, made.ID, made.Currency); err != nil {
			return nil, err
		}
	}
	return wire.AdvertiserCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: advertiserWire(&made)}, nil
}

// AdvertiserUpdate changes the name or the spend cap.
func (a *api) AdvertiserUpdate(ctx context.Context, r wire.AdvertiserUpdateRequestObject) (wire.AdvertiserUpdateResponseObject, error) {
	b, c := r.Body, callOf(ctx)
	limit, err := micros("spend_cap", b.SpendCap)
	if err != nil {
		return nil, err
	}
	clearTo(c, "spend_cap", &limit)
	made, err := a.campaigns.UpdateAdvertiser(ctx, edit(ctx, b.ValidateOnly, ""), c.tenant.advertiser().ID,
		campaign.AdvertiserPatch{Name: b.AdvertiserName, SpendCap: limit})
	if err != nil {
		return nil, err
	}
	return wire.AdvertiserUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: advertiserWire(&made)}, nil
}

// AdvertiserStatusUpdate is the operator's word on an account.
func (a *api) AdvertiserStatusUpdate(ctx context.Context, r wire.AdvertiserStatusUpdateRequestObject) (wire.AdvertiserStatusUpdateResponseObject, error) {
	made, err := a.campaigns.UpdateAdvertiser(ctx, edit(ctx, nil, ""), callOf(ctx).tenant.advertiser().ID, campaign.AdvertiserPatch{Status: &r.Body.Status})
	if err != nil {
		return nil, err
	}
	return wire.AdvertiserStatusUpdate200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: advertiserWire(&made)}, nil
}

// AdvertiserInfo shows advertisers by id, in the order asked.
func (a *api) AdvertiserInfo(ctx context.Context, r wire.AdvertiserInfoRequestObject) (wire.AdvertiserInfoResponseObject, error) {
	asked := callOf(ctx).tenant.advertisers
	list := make([]wire.Advertiser, len(asked))
	left := map[id.Advertiser]wire.Decimal{}
	if wants(r.Params.Fields, "balance") {
		var err error
		if left, err = a.balancesOf(ctx, asked); err != nil {
			return nil, err
		}
	}
	for i := range asked {
		list[i] = advertiserWire(&asked[i])
		list[i].Balance = new(left[asked[i].ID])
	}
	list, err := project(r.Params.Fields, list)
	if err != nil {
		return nil, err
	}
	return wire.AdvertiserInfo200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: wire.AdvertiserList{List: list}}, nil
}

// AuthorizedAdvertiserGet lists what the token reaches, as TikTok's OAuth call
// does; the first thousand, since TikTok's answer has no pages.
func (a *api) AuthorizedAdvertiserGet(ctx context.Context, _ wire.AuthorizedAdvertiserGetRequestObject) (wire.AuthorizedAdvertiserGetResponseObject, error) {
	q := campaign.AdvertiserQuery{Paging: campaign.Paging{Page: 1, PageSize: campaign.MaxPageSize}}
	switch who := callOf(ctx).who; {
	case who.Owner.Advertiser != 0:
		q.IDs = []id.Advertiser{who.Owner.Advertiser}
	case who.Owner.BusinessCenter != 0:
		q.BusinessCenter = who.Owner.BusinessCenter
	case !who.Operator:
		return nil, forbidden("the token belongs to nobody")
	}
	page, err := a.campaigns.Advertisers(ctx, q)
	if err != nil {
		return nil, err
	}
	out := wire.AuthorizedAdvertisers{List: make([]wire.AuthorizedAdvertiser, len(page.List))}
	for i := range page.List {
		out.List[i] = wire.AuthorizedAdvertiser{AdvertiserId: page.List[i].ID.String(), AdvertiserName: page.List[i].Name}
	}
	return wire.AuthorizedAdvertiserGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

func bcWire(b *campaign.BusinessCenter) wire.BusinessCenter {
	return wire.BusinessCenter{BcId: b.ID.String(), BcName: &b.Name, Version: &b.Version, CreateTime: wire.TimeOf(b.CreatedAt), ModifyTime: wire.TimeOf(b.ModifiedAt)}
}

func advertiserWire(a *campaign.Advertiser) wire.Advertiser {
	out := wire.Advertiser{AdvertiserId: a.ID.String(), Name: &a.Name, Currency: new(string(a.Currency)), Timezone: &a.Zone, Status: &a.Status,
		Version: &a.Version, CreateTime: wire.TimeOf(a.CreatedAt), ModifyTime: wire.TimeOf(a.ModifiedAt)}
	if a.BusinessCenter != 0 {
		out.OwnerBcId = new(a.BusinessCenter.String())
	}
	if a.SpendCap > 0 {
		out.SpendCap = new(wire.DecimalOf(a.SpendCap))
	}
	return out
}
