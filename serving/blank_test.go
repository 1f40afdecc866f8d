package serving

import (
	"strings"
	"testing"
	"time"

	"mazad/campaign"
)

// blank takes every constraint off an ad group.
func blank(g campaign.AdGroup) campaign.AdGroup {
	return campaign.AdGroup{
		ID: g.ID, Campaign: g.Campaign, Advertiser: g.Advertiser, Name: g.Name, OperationStatus: g.OperationStatus,
		PlacementType: campaign.PlacementAutomatic, Gender: campaign.GenderUnlimited, BudgetMode: g.BudgetMode, Budget: g.Budget,
		Goal: g.Goal, BillingEvent: g.BillingEvent, BidType: g.BidType, BidPrice: g.BidPrice, Pacing: campaign.PacingFast,
		ScheduleType: g.ScheduleType, ScheduleStart: g.ScheduleStart,
	}
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	must(t, err)
	return z
}

var campaignAd = campaign.Ad{ID: 1, Format: campaign.SingleImage, LandingPageURL: "https://eu.shop.example/p"}

func lastDash(s, sep string) int { return strings.LastIndex(s, sep) }
