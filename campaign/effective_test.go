package campaign_test

import (
	"strings"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/money"
)

// scene is one delivering chain with what the ledger says of it.
type scene struct {
	campaign.Facts
	adv campaign.Advertiser
	c   campaign.Campaign
	g   campaign.AdGroup
	a   campaign.Ad
	ads []campaign.Ad
}

func delivering() scene {
	s := scene{adv: campaign.Advertiser{Status: campaign.AdvertiserEnabled}, c: validCampaign(), g: validAdGroup()}
	s.Facts = campaign.Facts{Now: now, Balance: money.SumOf(1)}
	s.a = campaign.Ad{OperationStatus: campaign.Enable, Review: campaign.ReviewApproved}
	s.ads = []campaign.Ad{s.a}
	return s
}

func TestEffectiveStatus(t *testing.T) {
	// f changes a delivering chain and checks campaign, ad group and ad: the
	// status without its level, and the codes of all issues.
	f := func(change func(*scene), wantC, wantG, wantA string) {
		t.Helper()
		s := delivering()
		change(&s)
		check := func(level string, chain campaign.Chain, want string) {
			t.Helper()
			e := chain.Effective(s.Facts)
			got := strings.TrimPrefix(e.Status, level+"_STATUS_")
			for i, issue := range e.Issues {
				sep := " "
				if i == 0 {
					sep = ": "
				}
				got += sep + string(issue.Code)
				if issue.Message == "" || issue.Level == "" {
					t.Errorf("issue %+v", issue)
				}
			}
			if got != want || e.Delivering != (len(e.Issues) == 0) {
				t.Errorf("%s is %q, want %q", level, got, want)
			}
		}
		check("CAMPAIGN", campaign.Chain{Advertiser: &s.adv, Campaign: &s.c}, wantC)
		check("ADGROUP", campaign.Chain{Advertiser: &s.adv, Campaign: &s.c, AdGroup: &s.g, Ads: s.ads}, wantG)
		check("AD", campaign.Chain{Advertiser: &s.adv, Campaign: &s.c, AdGroup: &s.g, Ad: &s.a}, wantA)
	}
	const on, ok = "ENABLE", "DELIVERY_OK"
	f(func(s *scene) {}, on, ok, ok)
	f(func(s *scene) { s.c.OperationStatus = campaign.Disable }, "DISABLE: PAUSED", "CAMPAIGN_DISABLE: CAMPAIGN_PAUSED", "CAMPAIGN_DISABLE: CAMPAIGN_PAUSED")
	f(func(s *scene) { s.g.OperationStatus = campaign.Disable }, on, "DISABLE: PAUSED", "ADGROUP_DISABLE: ADGROUP_PAUSED")
	f(func(s *scene) { s.a.OperationStatus = campaign.Disable }, on, ok, "DISABLE: PAUSED")
	f(func(s *scene) { s.c.OperationStatus = campaign.Delete }, "DELETE: DELETED", "CAMPAIGN_DELETE: CAMPAIGN_DELETED", "CAMPAIGN_DELETE: CAMPAIGN_DELETED")
	f(func(s *scene) { s.g.OperationStatus = campaign.Delete }, on, "DELETE: DELETED", "ADGROUP_DELETE: ADGROUP_DELETED")
	f(func(s *scene) { s.a.OperationStatus = campaign.Delete }, on, ok, "DELETE: DELETED")
	f(func(s *scene) { s.adv.Status = campaign.AdvertiserDisabled }, "ADVERTISER_AUDIT_DENY: ADVERTISER_DISABLED",
		"ADVERTISER_AUDIT_DENY: ADVERTISER_DISABLED", "ADVERTISER_AUDIT_DENY: ADVERTISER_DISABLED")
	f(func(s *scene) { s.adv.Status = campaign.AdvertiserPending }, "ADVERTISER_AUDIT: ADVERTISER_PENDING", "ADVERTISER_AUDIT: ADVERTISER_PENDING", "ADVERTISER_AUDIT: ADVERTISER_PENDING")
	f(func(s *scene) { s.a.Review = campaign.ReviewPending }, on, ok, "AUDIT: IN_REVIEW")
	f(func(s *scene) { s.a.Review = campaign.ReviewRejected }, on, ok, "AUDIT_DENY: REJECTED")
	f(func(s *scene) { s.ads = nil }, on, "NO_ADS: NO_ADS", ok)
	f(func(s *scene) { s.ads[0].OperationStatus = campaign.Disable }, on, "NO_ADS: NO_ADS", ok)
	f(func(s *scene) { s.ads[0].Review = campaign.ReviewPending }, on, "AUDIT: IN_REVIEW", ok)
	f(func(s *scene) { s.ads[0].Review = campaign.ReviewRejected }, on, "AUDIT_DENY: REJECTED", ok)
	f(func(s *scene) {
		s.ads = append([]campaign.Ad{{OperationStatus: campaign.Enable, Review: campaign.ReviewRejected}}, s.ads...)
	}, on, ok, ok)
	f(func(s *scene) { s.g.ScheduleStart = now.Add(time.Second) }, on, "NOT_START: NOT_STARTED", "NOT_START: NOT_STARTED")
	f(func(s *scene) { s.g.ScheduleEnd = now }, on, "TIME_DONE: ENDED", "TIME_DONE: ENDED")
	f(func(s *scene) { s.g.ScheduleEnd = now.Add(1) }, on, ok, ok)
	f(func(s *scene) { s.Balance = money.Sum{} }, "BALANCE_EXCEED: BALANCE_EXCEEDED", "BALANCE_EXCEED: BALANCE_EXCEEDED", "BALANCE_EXCEED: BALANCE_EXCEEDED")
	f(func(s *scene) { s.adv.SpendCap, s.AdvertiserSpent = unit, unit.Sum() }, "ADVERTISER_EXCEED: SPEND_CAP_EXCEEDED",
		"ADVERTISER_EXCEED: SPEND_CAP_EXCEEDED", "ADVERTISER_EXCEED: SPEND_CAP_EXCEEDED")
	f(func(s *scene) { s.c.BudgetMode, s.c.Budget, s.CampaignDay = campaign.BudgetDay, unit, unit.Sum() },
		"BUDGET_EXCEED: BUDGET_EXCEEDED", "CAMPAIGN_EXCEED: CAMPAIGN_BUDGET_EXCEEDED", "CAMPAIGN_EXCEED: CAMPAIGN_BUDGET_EXCEEDED")
	f(func(s *scene) { s.c.BudgetMode, s.c.Budget, s.CampaignSpent = campaign.BudgetDay, unit, unit.Sum() }, on, ok, ok)
	f(func(s *scene) { s.c.BudgetMode, s.c.Budget, s.CampaignDay = campaign.BudgetTotal, unit, unit.Sum() }, on, ok, ok)
	f(func(s *scene) { s.AdGroupDay = s.g.Budget.Sum() }, on, "BUDGET_EXCEED: BUDGET_EXCEEDED", "BUDGET_EXCEED: BUDGET_EXCEEDED")
	f(func(s *scene) { s.AdGroupDay = s.g.Budget.Sum().AddNanos(-1) }, on, ok, ok)
	f(func(s *scene) { s.g.BudgetMode, s.AdGroupSpent = campaign.BudgetTotal, s.g.Budget.Sum() }, on, "BUDGET_EXCEED: BUDGET_EXCEEDED", "BUDGET_EXCEED: BUDGET_EXCEEDED")
	f(func(s *scene) {
		s.c.OperationStatus, s.g.OperationStatus, s.Balance, s.g.ScheduleEnd = campaign.Disable, campaign.Disable, money.Sum{}, now
	}, "DISABLE: PAUSED BALANCE_EXCEEDED", "CAMPAIGN_DISABLE: CAMPAIGN_PAUSED PAUSED ENDED BALANCE_EXCEEDED",
		"CAMPAIGN_DISABLE: CAMPAIGN_PAUSED ADGROUP_PAUSED ENDED BALANCE_EXCEEDED")
}
