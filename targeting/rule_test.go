package targeting_test

import (
	"strings"
	"testing"

	"mazad/targeting"
)

func TestValidateNamesFieldValueAndLimit(t *testing.T) {
	f := func(want string, change func(*targeting.Rule)) {
		t.Helper()
		var r targeting.Rule
		change(&r)
		if err := r.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		// and such a rule matches nobody
		ix := targeting.Build([]targeting.Rule{r})
		var s targeting.Scratch
		if got := ix.MatchPersonal(&targeting.Personal{}, &s); len(got) != 0 {
			t.Errorf("%s: an invalid rule matched", want)
		}
		if ix.Why(0, &targeting.Personal{}) != targeting.DimensionInvalid || ix.WhyContextual(0, &targeting.Contextual{}) != targeting.DimensionInvalid {
			t.Errorf("%s: Why does not say invalid", want)
		}
	}
	type rule = targeting.Rule
	f("countries: 301 entries: want at most 300", func(r *rule) { r.Countries = make([]targeting.Country, 301) })
	f("countries[0]:", func(r *rule) { r.Countries = []targeting.Country{0} })
	f("exclude_countries[1]:", func(r *rule) { r.ExcludeCountries = []targeting.Country{1, 0} })
	f("regions: 3001", func(r *rule) { r.Regions = make([]targeting.Region, 3001) })
	f("exclude_regions[0]", func(r *rule) { r.ExcludeRegions = []targeting.Region{0} })
	f("cities[0]", func(r *rule) { r.Cities = []targeting.City{0} })
	f("exclude_cities: 3001", func(r *rule) { r.ExcludeCities = make([]targeting.City, 3001) })
	f("languages[0]", func(r *rule) { r.Languages = []targeting.Language{0} })
	f("ages: bit set 0x1", func(r *rule) { r.Ages = targeting.AgesOf(targeting.AgeUnknown) })
	f("ages: bit set 0x80", func(r *rule) { r.Ages = 0x80 })
	f("gender: 3: want at most 2", func(r *rule) { r.Gender = 3 })
	f("os: bit set 0x10", func(r *rule) { r.OS = 0x10 })
	f("placements: bit set 0x40", func(r *rule) { r.Placements = 0x40 })
	f("interests: 1001 entries: want at most 1000", func(r *rule) { r.Interests = make([]targeting.Interest, 1001) })
	f("tags: 1001", func(r *rule) { r.Tags = make([]targeting.Tag, 1001) })
	f("zone: 1024: want at most 1023", func(r *rule) { r.Zone = targeting.MaxZone })
	f("dayparting: day 2", func(r *rule) { r.Dayparting[2] = 1 << 48 })
	f("segments: 17 clauses: want at most 16", func(r *rule) { r.Segments = make([][]targeting.Segment, 17) })
	f("segments[0]: 0 entries: want 1 to 500", func(r *rule) { r.Segments = make([][]targeting.Segment, 1) })
	f("exclude_segments: 1001", func(r *rule) { r.ExcludeSegments = make([]targeting.Segment, 1001) })

	if err := new(targeting.Rule).Validate(); err != nil {
		t.Errorf("the zero rule: %v", err)
	}
}

func TestPersonalIsWhatI10Forbids(t *testing.T) {
	f := func(want bool, r targeting.Rule) {
		t.Helper()
		if r.Personal() != want {
			t.Errorf("%+v: personal %v", r, !want)
		}
	}
	type rule = targeting.Rule
	f(false, rule{})
	f(false, rule{Countries: []targeting.Country{1}, ExcludeCountries: []targeting.Country{1}})
	f(false, rule{Regions: []targeting.Region{1}, ExcludeRegions: []targeting.Region{1}})
	f(false, rule{Ages: targeting.AgesOf(targeting.Age18_24), Languages: []targeting.Language{1}, OS: targeting.OSOf(targeting.IOS)})
	f(false, rule{Placements: targeting.PlacementsOf(targeting.PlacementFeed), Tags: []targeting.Tag{1}, Dayparting: targeting.Dayparting{1}})
	f(true, rule{Cities: []targeting.City{1}})
	f(true, rule{ExcludeCities: []targeting.City{1}})
	f(true, rule{Gender: targeting.Female})
	f(true, rule{MinAndroid: 1})
	f(true, rule{MinIOS: 1})
	f(true, rule{Interests: []targeting.Interest{1}})
	f(true, rule{Segments: [][]targeting.Segment{{1}}})
	f(true, rule{ExcludeSegments: []targeting.Segment{1}})
}
