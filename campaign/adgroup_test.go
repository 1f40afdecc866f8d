package campaign_test

import (
	"strings"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/money"
)

var now = time.Date(2026, 2, 11, 9, 30, 0, 0, time.UTC)

const unit money.Micros = 1_000_000

func validCampaign() campaign.Campaign {
	c := campaign.Campaign{ID: 1, Advertiser: 2, Name: "Ramadan", Objective: campaign.ObjectiveTraffic}
	c.Defaults()
	return c
}

func validAdGroup() campaign.AdGroup {
	g := campaign.AdGroup{ID: 3, Campaign: 1, Advertiser: 2, Name: "Riyadh", BudgetMode: campaign.BudgetDay, Budget: 100 * unit,
		Goal: campaign.GoalClick, BillingEvent: campaign.CPC, BidPrice: unit}
	g.Defaults(now)
	return g
}

// refused checks every mistake of an ad group: "field CODE".
func refused(t *testing.T, change func(*campaign.AdGroup, *campaign.Campaign), want ...string) {
	t.Helper()
	g, c := validAdGroup(), validCampaign()
	change(&g, &c)
	mistakes(t, g.Validate(campaign.Context{Now: now, Campaign: &c}), want...)
}

func accepted(t *testing.T, change func(*campaign.AdGroup, *campaign.Campaign)) {
	t.Helper()
	refused(t, change)
}

func mistakes(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	for _, e := range campaign.ErrorsOf(err) {
		if e.Kind != campaign.Invalid || e.Message == "" {
			t.Errorf("%+v: want an invalid with a message", e)
		}
		got = append(got, e.Field+" "+string(e.Code))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %q, want %q: %v", got, want, err)
	}
}

func TestAllowedTriples(t *testing.T) {
	f := func(o campaign.Objective, g campaign.Goal, b campaign.BillingEvent, want ...string) {
		t.Helper()
		refused(t, func(ag *campaign.AdGroup, c *campaign.Campaign) { c.Objective, ag.Goal, ag.BillingEvent = o, g, b }, want...)
	}
	const goal, billing = "optimization_goal ", "billing_event "
	f("TRAFFIC", "CLICK", "CPC")
	f("REACH", "REACH", "CPM")
	f("REACH", "SHOW", "CPM")
	f("VIDEO_VIEWS", "ENGAGED_VIEW", "CPV")
	f("VIDEO_VIEWS", "VIDEO_VIEW", "CPV")
	f("PRODUCT_SALES", "CLICK", "CPC")
	f("TRAFFIC", "CLICK", "CPM", billing+"NOT_ALLOWED_TOGETHER")
	f("REACH", "REACH", "CPC", billing+"NOT_ALLOWED_TOGETHER")
	f("REACH", "CLICK", "CPC", goal+"NOT_ALLOWED_TOGETHER")
	f("WEB_CONVERSIONS", "CONVERT", "OCPM", goal+"NOT_OFFERED_YET", billing+"NOT_OFFERED_YET")
	f("APP_PROMOTION", "INSTALL", "CPC", goal+"NOT_OFFERED_YET")
	f("TRAFFIC", "CLICK", "CPA", billing+"NOT_OFFERED_YET")
	f("TRAFFIC", "CLICK", "GD", billing+"NOT_OFFERED_YET")
	f("TRAFFIC", "FAME", "CPC", goal+"UNKNOWN_VALUE")
	f("TRAFFIC", "", "", goal+"REQUIRED", billing+"REQUIRED")
	f("TRAFFIC", "CLICK", "cpc", billing+"UNKNOWN_VALUE")
}

func TestMoneyOfAnAdGroup(t *testing.T) {
	f := func(mode campaign.BudgetMode, budget, bid money.Micros, want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) {
			g.BudgetMode, g.Budget, g.BidPrice = mode, budget, bid
		}, want...)
	}
	f(campaign.BudgetDay, unit, unit)
	f(campaign.BudgetDay, campaign.MaxBudget, campaign.MaxBid)
	f(campaign.BudgetDay, 1, 1)
	f(campaign.BudgetDynamicDaily, unit, unit)
	f(campaign.BudgetDay, 0, unit, "budget OUT_OF_RANGE")
	f(campaign.BudgetDay, -1, unit, "budget OUT_OF_RANGE")
	f(campaign.BudgetDay, campaign.MaxBudget+1, unit, "budget OUT_OF_RANGE")
	f(campaign.BudgetDay, money.MaxMicros, -money.MaxMicros, "budget OUT_OF_RANGE", "bid_price OUT_OF_RANGE")
	f(campaign.BudgetDay, unit, unit+1, "bid_price OUT_OF_RANGE")
	f(campaign.BudgetDay, unit, 0, "bid_price OUT_OF_RANGE")
	f(campaign.BudgetDay, campaign.MaxBudget, campaign.MaxBid+1, "bid_price OUT_OF_RANGE")
	f(campaign.BudgetInfinite, 5, unit, "budget NOT_ALLOWED_TOGETHER", "budget_mode REQUIRED")
	f(campaign.BudgetInfinite, 0, unit, "budget_mode REQUIRED")
	f("BUDGET_MODE_WEEK", unit, unit, "budget_mode UNKNOWN_VALUE")
	f(campaign.BudgetTotal, unit, unit, "schedule_end_time REQUIRED")

	cbo := func(c *campaign.Campaign) {
		c.BudgetOptimizeOn, c.BudgetMode, c.Budget = true, campaign.BudgetDay, 10*unit
	}
	refused(t, func(g *campaign.AdGroup, c *campaign.Campaign) { cbo(c) }, "budget_mode NOT_ALLOWED_TOGETHER")
	accepted(t, func(g *campaign.AdGroup, c *campaign.Campaign) {
		cbo(c)
		g.BudgetMode, g.Budget = campaign.BudgetInfinite, 0
	})
	refused(t, func(g *campaign.AdGroup, c *campaign.Campaign) {
		cbo(c)
		g.BudgetMode, g.Budget, g.BidPrice = campaign.BudgetInfinite, 0, 11*unit
	}, "bid_price OUT_OF_RANGE")
	refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) { g.BidType = campaign.BidNone }, "bid_type NOT_OFFERED_YET")
	refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) { g.Pacing = "PACING_MODE_WILD" }, "pacing UNKNOWN_VALUE")
}

func TestSchedules(t *testing.T) {
	f := func(kind campaign.ScheduleType, start, end time.Time, want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) {
			g.ScheduleType, g.ScheduleStart, g.ScheduleEnd = kind, start, end
		}, want...)
	}
	h, none := time.Hour, time.Time{}
	f(campaign.ScheduleStartEnd, now, now.Add(h))
	f(campaign.ScheduleStartEnd, now.Add(-campaign.SchedulePastGrace), now.Add(h))
	f(campaign.ScheduleFromNow, now.Add(h), none)
	f(campaign.ScheduleStartEnd, now.Add(-h), now.Add(h), "schedule_start_time IN_THE_PAST")
	f(campaign.ScheduleStartEnd, now.Add(h), now.Add(h), "schedule_end_time OUT_OF_RANGE")
	f(campaign.ScheduleStartEnd, now.Add(h), now, "schedule_end_time OUT_OF_RANGE")
	f(campaign.ScheduleStartEnd, now.Add(-2*h), now.Add(-h), "schedule_start_time IN_THE_PAST", "schedule_end_time IN_THE_PAST")
	f(campaign.ScheduleStartEnd, now, none, "schedule_end_time REQUIRED")
	f(campaign.ScheduleStartEnd, none, now.Add(h), "schedule_start_time REQUIRED")
	f(campaign.ScheduleFromNow, now, now.Add(h), "schedule_end_time NOT_ALLOWED_TOGETHER")
	f(campaign.ScheduleStartEnd, now, now.Add(20*365*24*h), "schedule_end_time OUT_OF_RANGE")
	f("SCHEDULE_LATER", now, none, "schedule_type UNKNOWN_VALUE")

	// What began stays as it is; only a new start or end is measured by now.
	c, before := validCampaign(), validAdGroup()
	before.ScheduleType, before.ScheduleStart, before.ScheduleEnd = campaign.ScheduleStartEnd, now.Add(-h), now.Add(h)
	after := before
	mistakes(t, after.Validate(campaign.Context{Now: now, Campaign: &c, Before: &before}))
	mistakes(t, after.Validate(campaign.Context{Now: now, Campaign: &c, Imported: true}))
	after.ScheduleEnd = now.Add(-time.Minute)
	mistakes(t, after.Validate(campaign.Context{Now: now, Campaign: &c, Before: &before}), "schedule_end_time IN_THE_PAST")
}

func TestDaypartingAndFrequency(t *testing.T) {
	d := func(s string, want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) { g.Dayparting = s }, want...)
	}
	week := strings.Repeat("0", 335) + "1"
	d("")
	d(week)
	d(week[1:], "dayparting MALFORMED")
	d("2"+week[1:], "dayparting MALFORMED")
	d(strings.Repeat("0", 336), "dayparting MALFORMED")

	f := func(n, days int, want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) { g.Frequency, g.FrequencyDays = n, days }, want...)
	}
	f(0, 0)
	f(1, 1)
	f(3, 1)
	f(21, 7)
	f(4, 1, "frequency OUT_OF_RANGE")
	f(22, 7, "frequency OUT_OF_RANGE")
	f(1, 8, "frequency_schedule OUT_OF_RANGE")
	f(-1, -1, "frequency_schedule OUT_OF_RANGE", "frequency OUT_OF_RANGE")
	f(1, 0, "frequency_schedule REQUIRED")
	f(0, 1, "frequency REQUIRED")
}

func TestI10NothingPersonalWhereMinorsAreIncluded(t *testing.T) {
	const code = " AGE_TARGETING_NOT_ALLOWED"
	f := func(change func(*campaign.AdGroup), want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) {
			g.AgeGroups = []campaign.AgeGroup{campaign.Age13to17, campaign.Age18to24}
			change(g)
			if rule, err := g.Rule(0); err == nil && len(want) == 0 && rule.Personal() {
				t.Error("the rule of what was accepted is personal")
			}
		}, want...)
	}
	f(func(g *campaign.AdGroup) {
		g.LocationIDs, g.Languages, g.OperatingSystems = []string{"SA", "AE-DU"}, []string{"ar"}, []campaign.OperatingSystem{campaign.IOS}
		g.ContextualTagIDs = []string{"football"}
	})
	f(func(g *campaign.AdGroup) { g.Gender = campaign.GenderFemale }, "gender"+code)
	f(func(g *campaign.AdGroup) { g.InterestCategoryIDs = []string{"5"} }, "interest_category_ids"+code)
	f(func(g *campaign.AdGroup) { g.AudienceIDs, g.ExcludedAudienceIDs = []string{"5"}, []string{"6"} },
		"audience_ids"+code, "excluded_audience_ids"+code)
	f(func(g *campaign.AdGroup) { g.AudienceRule = [][]string{{"5"}} }, "audience_rule"+code)
	f(func(g *campaign.AdGroup) { g.LocationIDs = []string{"SA", "108410"} }, "location_ids"+code)
	f(func(g *campaign.AdGroup) { g.ExcludedLocationIDs = []string{"108410"} }, "excluded_location_ids"+code)
	f(func(g *campaign.AdGroup) { g.MinIOSVersion, g.MinAndroidVersion = "15", "9" }, "min_android_version"+code, "min_ios_version"+code)
	refused(t, func(g *campaign.AdGroup, c *campaign.Campaign) {
		g.AgeGroups, c.Objective = []campaign.AgeGroup{campaign.Age13to17}, campaign.ObjectiveProductSales
	}, "age_groups"+code)
}

func TestSpecialIndustriesNarrowTargeting(t *testing.T) {
	refused(t, func(g *campaign.AdGroup, c *campaign.Campaign) {
		c.SpecialIndustries = []campaign.Industry{campaign.Housing}
		g.Gender, g.AgeGroups = campaign.GenderMale, []campaign.AgeGroup{campaign.Age25to34}
	}, "age_groups NOT_ALLOWED_TOGETHER", "gender NOT_ALLOWED_TOGETHER")
}

func TestEveryMistakeIsReported(t *testing.T) {
	refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) {
		g.Name, g.BidPrice, g.Frequency, g.ClickWindow = strings.Repeat("é", campaign.MaxName+1), -5, 9, "EIGHT_DAYS"
		g.LocationIDs = []string{"SA", "sa", "SA", "SA-", "0", "-5", "4294967296", "AE-DU", "292223"}
	}, "adgroup_name TOO_LONG", "bid_price OUT_OF_RANGE", "frequency_schedule REQUIRED",
		"location_ids[1] MALFORMED", "location_ids[2] DUPLICATE_VALUE", "location_ids[3] MALFORMED", "location_ids[4] MALFORMED",
		"location_ids[5] MALFORMED", "location_ids[6] MALFORMED", "click_attribution_window UNKNOWN_VALUE")
	err := (&campaign.AdGroup{}).Validate(campaign.Context{Now: now, Campaign: &campaign.Campaign{}})
	if es := campaign.ErrorsOf(err); len(es) < 10 {
		t.Errorf("an empty ad group has %d mistakes", len(es))
	}
}
