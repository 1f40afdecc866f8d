package manage

import (
	"context"
	"strconv"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// AdvertiserBalanceGet shows wallets: of one advertiser, or of a business
// center's advertisers.
func (a *api) AdvertiserBalanceGet(ctx context.Context, r wire.AdvertiserBalanceGetRequestObject) (wire.AdvertiserBalanceGetResponseObject, error) {
	t, p := callOf(ctx).tenant, pagingOf(r.Params.Page, r.Params.PageSize)
	page := campaign.Page[campaign.Advertiser]{List: slicePage(t.advertisers, p), Total: len(t.advertisers)}
	if len(t.advertisers) == 0 {
		if t.bc == 0 {
			return nil, invalid("bc_id", "REQUIRED", "name the advertiser or the business center")
		}
		var err error
		if page, err = a.campaigns.Advertisers(ctx, campaign.AdvertiserQuery{Paging: p, BusinessCenter: t.bc}); err != nil {
			return nil, err
		}
	}
	left, err := a.balancesOf(ctx, page.List)
	if err != nil {
		return nil, err
	}
	out := wire.BalanceList{AdvertiserAccountList: make([]wire.Balance, len(page.List)), PageInfo: pageInfo(p, page.Total)}
	for i := range page.List {
		adv := &page.List[i]
		sum := left[adv.ID]
		out.AdvertiserAccountList[i] = wire.Balance{AdvertiserId: adv.ID.String(), AdvertiserName: &adv.Name, AdvertiserStatus: &adv.Status,
			Currency: new(string(adv.Currency)), Timezone: &adv.Zone, AccountBalance: &sum, ValidAccountBalance: &sum, CashBalance: &sum, ValidCashBalance: &sum}
	}
	return wire.AdvertiserBalanceGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

// balancesOf is what each advertiser can still spend, in one query.
func (s *Server) balancesOf(ctx context.Context, list []campaign.Advertiser) (map[id.Advertiser]wire.Decimal, error) {
	out := map[id.Advertiser]wire.Decimal{}
	if len(list) == 0 {
		return out, nil
	}
	ids := make([]id.Advertiser, len(list))
	for i := range list {
		ids[i] = list[i].ID
		out[list[i].ID] = "0"
	}
	all, err := s.wallets.Balances(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if b.Kind == ledger.Wallet {
			out[b.Owner] = wire.DecimalOfSum(b.Left())
		}
	}
	return out, nil
}

// WalletTopup books money that the operator has received.
func (a *api) WalletTopup(ctx context.Context, r wire.WalletTopupRequestObject) (wire.WalletTopupResponseObject, error) {
	b, adv := r.Body, callOf(ctx).tenant.advertiser()
	amount, err := micros("amount", &b.Amount)
	if err != nil {
		return nil, err
	}
	if b.Currency != nil && *b.Currency != string(adv.Currency) {
		return nil, invalidValue("currency", "UNKNOWN_VALUE", "the advertiser is billed in "+string(adv.Currency), *b.Currency, string(adv.Currency))
	}
	if err := wholeCoins("amount", *amount, adv.Currency); err != nil {
		return nil, err
	}
	posted, _, err := a.wallets.TopUp(ctx, ledger.TopUp{RequestID: b.RequestId, Advertiser: adv.ID, Currency: adv.Currency, Amount: *amount, Note: "by " + callOf(ctx).who.actor()})
	if err != nil {
		return nil, err
	}
	left, err := a.balanceOf(ctx, adv)
	if err != nil {
		return nil, err
	}
	return wire.WalletTopup200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: wire.Topup{AdvertiserId: adv.ID.String(),
		Amount: wire.DecimalOfSum(posted.Amount), Currency: string(adv.Currency), AccountBalance: wire.DecimalOfSum(left), RequestId: b.RequestId}}, nil
}

// wholeCoins refuses money that cannot have been received: less than the
// currency's smallest coin, or nothing.
func wholeCoins(field string, m money.Micros, c money.Currency) error {
	coin := money.Micros(1_000_000)
	for range c.MinorUnits() {
		coin /= 10
	}
	switch {
	case m <= 0:
		return invalidValue(field, "OUT_OF_RANGE", "must be greater than 0", m.String(), "")
	case m%coin != 0:
		return invalidValue(field, "TOO_PRECISE", string(c)+" has "+strconv.Itoa(c.MinorUnits())+" decimals", m.String(), strconv.Itoa(c.MinorUnits()))
	}
	return nil
}
