package campaign_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"mazad/campaign"
	"mazad/targeting"
)

func TestRuleHasWhatTheAdGroupAsks(t *testing.T) {
	g := validAdGroup()
	g.PlacementType, g.Placements = campaign.PlacementNormal, []campaign.Placement{campaign.PlacementFeed, campaign.PlacementExchange}
	g.LocationIDs, g.ExcludedLocationIDs = []string{"SA", "AE-DU", "108410"}, []string{"SA-01", "292223"}
	g.AgeGroups, g.Gender = []campaign.AgeGroup{campaign.Age18to24, campaign.Age55to100}, campaign.GenderFemale
	g.Languages, g.OperatingSystems = []string{"ar", "en"}, []campaign.OperatingSystem{campaign.Android}
	g.MinAndroidVersion = "9.1"
	g.InterestCategoryIDs, g.ContextualTagIDs = []string{"7"}, []string{"Football", "sound:7001"}
	g.AudienceIDs, g.AudienceRule, g.ExcludedAudienceIDs = []string{"1", "2"}, [][]string{{"3"}, {"4", "5"}}, []string{"6"}
	g.Dayparting = "1" + strings.Repeat("0", 335)
	got, err := g.Rule(9)
	if err != nil {
		t.Fatal(err)
	}
	sa, _ := targeting.ParseCountry("SA")
	du, _ := targeting.ParseRegion("AE-DU")
	riyadh, _ := targeting.ParseRegion("SA-01")
	ar, _ := targeting.ParseLanguage("ar")
	en, _ := targeting.ParseLanguage("en")
	want := targeting.Rule{
		Countries: []targeting.Country{sa}, Regions: []targeting.Region{du}, Cities: []targeting.City{108410},
		ExcludeRegions: []targeting.Region{riyadh}, ExcludeCities: []targeting.City{292223},
		Ages: targeting.AgesOf(targeting.Age18_24, targeting.Age55_100), Gender: targeting.Female,
		Languages: []targeting.Language{ar, en}, OS: targeting.OSOf(targeting.Android), MinAndroid: 9<<16 | 1<<8,
		Placements: targeting.PlacementsOf(targeting.PlacementFeed, targeting.PlacementExchange),
		Interests:  []targeting.Interest{7}, Tags: []targeting.Tag{targeting.TagOf([]byte("football")), targeting.TagOf([]byte("sound:7001"))},
		Segments: [][]targeting.Segment{{1, 2}, {3}, {4, 5}}, ExcludeSegments: []targeting.Segment{6},
		Dayparting: targeting.Dayparting{1}, Zone: 9,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	plain := validAdGroup()
	if got, err := plain.Rule(0); err != nil || !reflect.DeepEqual(got, targeting.Rule{}) {
		t.Errorf("an ad group that asks nothing has rule %+v, %v", got, err)
	}
}

func TestTargetingThatCannotBeRead(t *testing.T) {
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint(i+1))
		}
		return out
	}
	f := func(change func(*campaign.AdGroup), want ...string) {
		t.Helper()
		refused(t, func(g *campaign.AdGroup, _ *campaign.Campaign) { change(g) }, want...)
	}
	f(func(g *campaign.AdGroup) { g.LocationIDs = many(campaign.MaxLocations) })
	f(func(g *campaign.AdGroup) { g.LocationIDs = many(campaign.MaxLocations + 1) }, "location_ids TOO_MANY")
	f(func(g *campaign.AdGroup) { g.AgeGroups = []campaign.AgeGroup{"AGE_0_12", "AGE_18_24", "AGE_18_24"} },
		"age_groups[0] UNKNOWN_VALUE", "age_groups[2] DUPLICATE_VALUE")
	f(func(g *campaign.AdGroup) { g.Gender = "GENDER_X" }, "gender UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.Languages = []string{"AR", "arabic", ""} }, "languages[0] UNKNOWN_VALUE", "languages[1] UNKNOWN_VALUE", "languages[2] UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.Languages = many(campaign.MaxLanguages + 1) }, "languages TOO_MANY")
	f(func(g *campaign.AdGroup) { g.OperatingSystems = []campaign.OperatingSystem{"WINDOWS"} }, "operating_systems[0] UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.MinAndroidVersion, g.MinIOSVersion = "nine", "0" }, "min_android_version MALFORMED", "min_ios_version MALFORMED")
	f(func(g *campaign.AdGroup) {
		g.OperatingSystems, g.MinIOSVersion = []campaign.OperatingSystem{campaign.Android}, "15"
	}, "min_ios_version NOT_ALLOWED_TOGETHER")
	f(func(g *campaign.AdGroup) { g.Placements = []campaign.Placement{campaign.PlacementFeed} }, "placements NOT_ALLOWED_TOGETHER")
	f(func(g *campaign.AdGroup) { g.PlacementType = campaign.PlacementNormal }, "placements REQUIRED")
	f(func(g *campaign.AdGroup) {
		g.PlacementType, g.Placements = campaign.PlacementNormal, []campaign.Placement{"PLACEMENT_MOON"}
	}, "placements[0] UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.PlacementType = "PLACEMENT_TYPE_X" }, "placement_type UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.InterestCategoryIDs = []string{"x", "0", "+1", "01"} }, "interest_category_ids[0] UNKNOWN_VALUE",
		"interest_category_ids[1] UNKNOWN_VALUE", "interest_category_ids[2] UNKNOWN_VALUE", "interest_category_ids[3] UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.ContextualTagIDs = []string{"", " a", "A", "a"} }, "contextual_tag_ids[0] UNKNOWN_VALUE",
		"contextual_tag_ids[1] UNKNOWN_VALUE", "contextual_tag_ids[3] DUPLICATE_VALUE")
	f(func(g *campaign.AdGroup) { g.AudienceIDs = many(campaign.MaxSegments + 1) }, "audience_ids TOO_MANY")
	f(func(g *campaign.AdGroup) { g.AudienceRule = [][]string{{"1"}, {}, {"x"}} }, "audience_rule[1] REQUIRED", "audience_rule[2][0] UNKNOWN_VALUE")
	f(func(g *campaign.AdGroup) { g.AudienceRule = make([][]string, campaign.MaxClauses+1) }, "audience_rule TOO_MANY")
	f(func(g *campaign.AdGroup) { g.LocationIDs = countries(301) }, "targeting OUT_OF_RANGE")
}

func countries(n int) (out []string) {
	for i := range n {
		out = append(out, string([]byte{byte('A' + i/26), byte('A' + i%26)}))
	}
	return out
}
