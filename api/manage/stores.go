package manage

import (
	"context"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/reporting"
)

// Campaigns is what this room needs of campaign.Store.
type Campaigns interface {
	campaign.Accounts

	CreateCampaign(ctx context.Context, e campaign.Edit, c campaign.Campaign) (campaign.Campaign, error)
	UpdateCampaign(ctx context.Context, e campaign.Edit, adv id.Advertiser, c id.Campaign, p campaign.CampaignPatch) (campaign.Campaign, error)
	SetCampaignStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.Campaign, s campaign.OperationStatus) ([]campaign.Campaign, error)
	Campaigns(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.Campaign], error)

	CreateAdGroup(ctx context.Context, e campaign.Edit, g campaign.AdGroup) (campaign.AdGroup, error)
	UpdateAdGroup(ctx context.Context, e campaign.Edit, adv id.Advertiser, g id.AdGroup, p campaign.AdGroupPatch) (campaign.AdGroup, error)
	SetAdGroupStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.AdGroup, s campaign.OperationStatus) ([]campaign.AdGroup, error)
	AdGroup(ctx context.Context, adv id.Advertiser, g id.AdGroup) (campaign.AdGroup, error)
	AdGroups(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.AdGroup], error)

	CreateAd(ctx context.Context, e campaign.Edit, a campaign.Ad) (campaign.Ad, error)
	UpdateAd(ctx context.Context, e campaign.Edit, adv id.Advertiser, a id.Ad, p campaign.AdPatch) (campaign.Ad, error)
	SetAdStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.Ad, s campaign.OperationStatus) ([]campaign.Ad, error)
	Ad(ctx context.Context, adv id.Advertiser, a id.Ad) (campaign.Ad, error)
	Ads(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.Ad], error)
	ReviewAd(ctx context.Context, e campaign.Edit, adv id.Advertiser, a id.Ad, s campaign.ReviewStatus, reasons []string) (campaign.Ad, error)

	CreateToken(ctx context.Context, e campaign.Edit, t campaign.Token) (campaign.Token, string, error)
	FindToken(ctx context.Context, h campaign.TokenHash) (campaign.Token, error)
	TouchTokens(ctx context.Context, used map[int64]time.Time) error
	AdvertiserTokens(ctx context.Context, adv id.Advertiser) ([]campaign.Token, error)
	BusinessCenterTokens(ctx context.Context, bc id.BusinessCenter) ([]campaign.Token, error)
	RevokeToken(ctx context.Context, e campaign.Edit, owner campaign.TokenOwner, token int64) (campaign.Token, error)

	Answer(ctx context.Context, scope, key string) (campaign.Answer, error)
	SaveAnswer(ctx context.Context, a campaign.Answer) (campaign.Answer, error)
}

// Wallets is what this room needs of ledger.Store.
type Wallets interface {
	OpenWallet(ctx context.Context, adv id.Advertiser, c money.Currency) error
	TopUp(ctx context.Context, t ledger.TopUp) (posted ledger.Transfer, replayed bool, err error)
	Wallet(ctx context.Context, adv id.Advertiser) (ledger.Balance, error)
	Balances(ctx context.Context, advs ...id.Advertiser) ([]ledger.Balance, error)
	Spend(ctx context.Context, q ledger.SpendQuery) ([]ledger.LimitSpend, error)
}

// Reports is what this room needs of reporting.Reports.
type Reports interface {
	Report(ctx context.Context, q reporting.Query) (*reporting.Result, error)
}
