package manage

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"mazad/api/manage/wire"
	"mazad/campaign"
)

// TokenCreate makes a token for the owner that the call names. A token can
// never make one that reaches further than itself: the owner went through the
// same door as any other id.
func (a *api) TokenCreate(ctx context.Context, r wire.TokenCreateRequestObject) (wire.TokenCreateResponseObject, error) {
	b, c := r.Body, callOf(ctx)
	mode := ModeStrict
	if val(b.Mode) == ModeTikTok.String() {
		mode = ModeTikTok
	}
	made, secret, err := a.campaigns.CreateToken(ctx, edit(ctx, nil, ""), campaign.Token{Scope: b.Scope, Name: nameWithMode(b.Name, mode),
		Advertiser: c.tenant.advertiser().ID, BusinessCenter: c.tenant.bc})
	if err != nil {
		return nil, err
	}
	return wire.TokenCreate200JSONResponse{Message: okMessage, RequestId: requestID(ctx),
		Data: wire.TokenCreated{Token: tokenWire(&made), AccessToken: secret}}, nil
}

// TokenList lists the owner's tokens, revoked ones included, newest first.
func (a *api) TokenList(ctx context.Context, r wire.TokenListRequestObject) (wire.TokenListResponseObject, error) {
	t, p := callOf(ctx).tenant, pagingOf(r.Params.Page, r.Params.PageSize)
	var list []campaign.Token
	var err error
	switch {
	case len(t.advertisers) > 0:
		list, err = a.campaigns.AdvertiserTokens(ctx, t.advertiser().ID)
	case t.bc != 0:
		list, err = a.campaigns.BusinessCenterTokens(ctx, t.bc)
	default:
		return nil, invalid("bc_id", "REQUIRED", "name the advertiser or the business center")
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(x, y campaign.Token) int { return cmp.Compare(y.ID, x.ID) })
	page := slicePage(list, p)
	out := wire.TokenList{List: make([]wire.Token, len(page)), PageInfo: pageInfo(p, len(list))}
	for i := range page {
		out.List[i] = tokenWire(&page[i])
	}
	return wire.TokenList200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

// TokenRevoke ends a token with the next request.
func (a *api) TokenRevoke(ctx context.Context, r wire.TokenRevokeRequestObject) (wire.TokenRevokeResponseObject, error) {
	t := callOf(ctx).tenant
	which, err := oneID[int64]("token_id", r.Body.TokenId)
	if err != nil {
		return nil, err
	}
	made, err := a.campaigns.RevokeToken(ctx, edit(ctx, nil, ""), campaign.TokenOwner{Advertiser: t.advertiser().ID, BusinessCenter: t.bc}, which)
	if err != nil {
		return nil, err
	}
	return wire.TokenRevoke200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: tokenWire(&made)}, nil
}

func tokenWire(t *campaign.Token) wire.Token {
	out := wire.Token{TokenId: strconv.FormatInt(t.ID, 10), Name: new(nameOf(*t)), Prefix: t.Prefix, Scope: t.Scope, Mode: new(modeOf(*t).String()),
		CreateTime: wire.TimeOf(t.CreatedAt), LastUseTime: wire.TimeOf(t.LastUsedAt), RevokeTime: wire.TimeOf(t.RevokedAt), Revoked: !t.RevokedAt.IsZero()}
	if t.Advertiser != 0 {
		out.AdvertiserId = new(t.Advertiser.String())
	}
	if t.BusinessCenter != 0 {
		out.BcId = new(t.BusinessCenter.String())
	}
	return out
}
