package world

import (
	"context"
	"testing"

	"mazad/bench/body"
	"mazad/serving"
	"mazad/targeting/targetingtest"
)

// The atlas renames what the workload really has there: the commonest country,
// its language and its largest city.
func TestPlaceIsThatOfTheWorkload(t *testing.T) {
	home, language, city := place(0)
	countries, languages, cities := 0, map[bool]int{}, map[bool]int{}
	queries := targetingtest.Queries(5000, 1)
	for _, q := range queries {
		if q.Country == home {
			countries++
			languages[q.Language == language]++
			cities[q.City == city]++
		}
	}
	if countries < len(queries)/6 || languages[true] < countries/2 || cities[true] < countries/6 {
		t.Errorf("of %d requests %d are from %v, %d of them speak %v and %d live in %d", len(queries), countries, home, languages[true], language, cities[true], city)
	}
	used := map[string]bool{}
	for i, m := range body.Markets() {
		country, language, _ := place(ranks[i])
		if used[country.String()] || used[language.String()] || used[m.Country] {
			t.Errorf("%s, %s or %s twice", country, language, m.Country)
		}
		used[country.String()], used[language.String()], used[m.Country] = true, true, true
	}
}

func TestRequestsFindAdsAndHoldsAreGivenUp(t *testing.T) {
	log := &Recorder{}
	w, err := Open(context.Background(), Config{AdGroups: 2000, Users: 300, Seed: 3, Decisions: log})
	if err != nil {
		t.Fatal(err)
	}
	var req serving.Request
	var resp serving.Response
	ads := 0
	for i := range 600 {
		w.Request(i, 3, &req)
		w.Engine.Decide(&req, &resp)
		ads += len(resp.Ads)
	}
	_, holds := w.Treasurer.Pacing()
	personal := w.Engine.Stats().Universes[1].Load()
	if ads < 600 || holds.Held != int64(ads) || log.Bytes < 600*20 || personal != 600 {
		t.Errorf("%d ads, %d held, %d bytes of decisions, %d personal of 600", ads, holds.Held, log.Bytes, personal)
	}
	w.Settle()
	if _, holds = w.Treasurer.Pacing(); holds.Held != 0 {
		t.Errorf("%d still held", holds.Held)
	}
	if err := w.Tick(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesImpossibleSizes(t *testing.T) {
	for _, c := range []Config{{AdGroups: 0, Users: 1}, {AdGroups: 1, Users: 0}, {AdGroups: 1, Users: MaxUsers + 1}} {
		if _, err := Open(context.Background(), c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
