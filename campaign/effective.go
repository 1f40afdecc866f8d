package campaign

import (
	"time"

	"mazad/internal/money"
)

// Facts is what the clock and the ledger know about one ad's chain. Spent
// amounts are of the advertiser's current budget day or of the whole life.
type Facts struct {
	Now             time.Time
	Balance         money.Sum // of the wallet
	AdvertiserSpent money.Sum // lifetime
	CampaignDay     money.Sum
	CampaignSpent   money.Sum // lifetime
	AdGroupDay      money.Sum
	AdGroupSpent    money.Sum // lifetime
}

// Chain is an object with everything above it and, for an ad group, the ads
// below it. Campaign is set for a campaign, AdGroup also for an ad group, Ad
// also for an ad.
type Chain struct {
	Advertiser *Advertiser
	Campaign   *Campaign
	AdGroup    *AdGroup
	Ad         *Ad
	Ads        []Ad // of AdGroup; only read when Ad is nil
}

// IssueCode says why something does not deliver.
type IssueCode string

// The issues, the gravest first: the first one names the effective status.
const (
	IssueDeleted            IssueCode = "DELETED"
	IssueCampaignDeleted    IssueCode = "CAMPAIGN_DELETED"
	IssueAdGroupDeleted     IssueCode = "ADGROUP_DELETED"
	IssueAdvertiserDisabled IssueCode = "ADVERTISER_DISABLED"
	IssueAdvertiserPending  IssueCode = "ADVERTISER_PENDING"
	IssueRejected           IssueCode = "REJECTED"
	IssueCampaignPaused     IssueCode = "CAMPAIGN_PAUSED"
	IssueAdGroupPaused      IssueCode = "ADGROUP_PAUSED"
	IssuePaused             IssueCode = "PAUSED"
	IssueEnded              IssueCode = "ENDED"
	IssueInReview           IssueCode = "IN_REVIEW"
	IssueNoAds              IssueCode = "NO_ADS"
	IssueBalanceExceeded    IssueCode = "BALANCE_EXCEEDED"
	IssueSpendCapExceeded   IssueCode = "SPEND_CAP_EXCEEDED"
	IssueCampaignExceeded   IssueCode = "CAMPAIGN_BUDGET_EXCEEDED"
	IssueBudgetExceeded     IssueCode = "BUDGET_EXCEEDED"
	IssueNotStarted         IssueCode = "NOT_STARTED"
)

// Issue is one reason, with what to do about it.
type Issue struct {
	Code    IssueCode
	Level   ObjectKind // where the cause is
	Message string
}

// Effective is what is true of an object, whatever was configured.
type Effective struct {
	Status     string // TikTok's secondary_status, such as ADGROUP_STATUS_DELIVERY_OK
	Delivering bool
	Issues     []Issue // issues_info: every reason, the gravest first; empty when delivering
}

// suffixes are the endings of secondary_status. What is not listed for a level
// cannot happen there.
var suffixes = map[IssueCode]string{
	IssueDeleted: "DELETE", IssueCampaignDeleted: "CAMPAIGN_DELETE", IssueAdGroupDeleted: "ADGROUP_DELETE",
	IssueAdvertiserDisabled: "ADVERTISER_AUDIT_DENY", IssueAdvertiserPending: "ADVERTISER_AUDIT",
	IssueRejected: "AUDIT_DENY", IssueCampaignPaused: "CAMPAIGN_DISABLE", IssueAdGroupPaused: "ADGROUP_DISABLE",
	IssuePaused: "DISABLE", IssueEnded: "TIME_DONE", IssueInReview: "AUDIT", IssueNoAds: "NO_ADS",
	IssueBalanceExceeded: "BALANCE_EXCEED", IssueSpendCapExceeded: "ADVERTISER_EXCEED",
	IssueCampaignExceeded: "CAMPAIGN_EXCEED", IssueBudgetExceeded: "BUDGET_EXCEED", IssueNotStarted: "NOT_START",
}

// Effective says whether the lowest object of the chain delivers and, if not,
// every reason why. It is pure.
func (c Chain) Effective(f Facts) Effective {
	var issues []Issue
	say := func(is bool, code IssueCode, level ObjectKind, message string) {
		if is {
			issues = append(issues, Issue{code, level, message})
		}
	}
	level, ok := KindCampaign, "CAMPAIGN_STATUS_ENABLE"
	switch {
	case c.Ad != nil:
		level, ok = KindAd, "AD_STATUS_DELIVERY_OK"
	case c.AdGroup != nil:
		level, ok = KindAdGroup, "ADGROUP_STATUS_DELIVERY_OK"
	}
	c.deleted(level, say)
	say(c.Advertiser.Status == AdvertiserDisabled, IssueAdvertiserDisabled, KindAdvertiser, "The operator has disabled the account.")
	say(c.Advertiser.Status == AdvertiserPending, IssueAdvertiserPending, KindAdvertiser, "The account has not been verified yet.")
	say(c.Ad != nil && c.Ad.Review == ReviewRejected, IssueRejected, KindAd, "Review has rejected the ad. Change it, or appeal.")
	c.paused(level, say)
	if g := c.AdGroup; g != nil {
		say(!g.ScheduleEnd.IsZero() && !f.Now.Before(g.ScheduleEnd), IssueEnded, KindAdGroup, "The schedule has ended.")
	}
	say(c.Ad != nil && c.Ad.Review == ReviewPending, IssueInReview, KindAd, "The ad waits for review.")
	if c.AdGroup != nil && c.Ad == nil {
		c.ads(say)
	}
	c.money(f, say)
	if g := c.AdGroup; g != nil {
		say(f.Now.Before(g.ScheduleStart), IssueNotStarted, KindAdGroup, "The schedule has not started yet.")
	}
	if len(issues) == 0 {
		return Effective{Status: ok, Delivering: true}
	}
	return Effective{Status: string(level) + "_STATUS_" + suffixes[issues[0].Code], Issues: issues}
}

type sayFunc func(is bool, code IssueCode, level ObjectKind, message string)

func (c Chain) deleted(level ObjectKind, say sayFunc) {
	gone := func(s OperationStatus, of ObjectKind, above IssueCode) {
		code := above
		if of == level {
			code = IssueDeleted
		}
		say(s == Delete, code, of, "It has been deleted.")
	}
	if c.Ad != nil {
		gone(c.Ad.OperationStatus, KindAd, IssueDeleted)
	}
	if c.AdGroup != nil {
		gone(c.AdGroup.OperationStatus, KindAdGroup, IssueAdGroupDeleted)
	}
	gone(c.Campaign.OperationStatus, KindCampaign, IssueCampaignDeleted)
}

func (c Chain) paused(level ObjectKind, say sayFunc) {
	off := func(s OperationStatus, of ObjectKind, above IssueCode, message string) {
		code := above
		if of == level {
			code = IssuePaused
		}
		say(s == Disable, code, of, message)
	}
	off(c.Campaign.OperationStatus, KindCampaign, IssueCampaignPaused, "The campaign is paused.")
	if c.AdGroup != nil {
		off(c.AdGroup.OperationStatus, KindAdGroup, IssueAdGroupPaused, "The ad group is paused.")
	}
	if c.Ad != nil {
		off(c.Ad.OperationStatus, KindAd, IssuePaused, "The ad is paused.")
	}
}

// ads looks for one ad of the ad group that could be shown.
func (c Chain) ads(say sayFunc) {
	var enabled, approved, pending int
	for i := range c.Ads {
		if c.Ads[i].OperationStatus != Enable {
			continue
		}
		enabled++
		switch c.Ads[i].Review {
		case ReviewApproved:
			approved++
		case ReviewPending:
			pending++
		}
	}
	switch {
	case approved > 0:
	case enabled == 0:
		say(true, IssueNoAds, KindAd, "The ad group has no ad that is enabled.")
	case pending > 0:
		say(true, IssueInReview, KindAd, "Every ad of the ad group waits for review.")
	default:
		say(true, IssueRejected, KindAd, "Review has rejected every ad of the ad group.")
	}
}

func (c Chain) money(f Facts, say sayFunc) {
	say(f.Balance.Sign() <= 0, IssueBalanceExceeded, KindAdvertiser, "The balance is used up. Top it up.")
	say(spent(f.AdvertiserSpent, c.Advertiser.SpendCap), IssueSpendCapExceeded, KindAdvertiser, "The account's spend cap is reached.")
	over := func(mode BudgetMode, budget money.Micros, day, life money.Sum) bool {
		switch {
		case mode.Daily():
			return spent(day, budget)
		case mode == BudgetTotal:
			return spent(life, budget)
		}
		return false
	}
	code := IssueCampaignExceeded
	if c.AdGroup == nil {
		code = IssueBudgetExceeded
	}
	say(over(c.Campaign.BudgetMode, c.Campaign.Budget, f.CampaignDay, f.CampaignSpent), code, KindCampaign, "The campaign's budget is used up.")
	if g := c.AdGroup; g != nil {
		say(over(g.BudgetMode, g.Budget, f.AdGroupDay, f.AdGroupSpent), IssueBudgetExceeded, KindAdGroup, "The ad group's budget is used up.")
	}
}

// spent reports a limit that has nothing left; 0 is no limit.
func spent(s money.Sum, limit money.Micros) bool { return limit > 0 && s.Cmp(limit.Sum()) >= 0 }
