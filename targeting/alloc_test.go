package targeting_test

import (
	"testing"

	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

func TestMatchDoesNotAllocate(t *testing.T) {
	rules := targetingtest.Rules(20_000, 1)
	for i := range rules { // the rare structures too
		switch i % 40 {
		case 0:
			rules[i].Dayparting = targeting.Dayparting{0: 1, 3: 1 << 20}
		case 1:
			rules[i].Segments = append(rules[i].Segments, []targeting.Segment{1, 2, 3})
		case 2:
			rules[i].Tags = []targeting.Tag{1, 2}
		case 3:
			rules[i].MinAndroid = targeting.Version(i)
		}
	}
	ix := targeting.Build(rules)
	queries := targetingtest.Queries(200, 2)
	halfHours := []uint16{0}
	for i := range queries {
		queries[i].HalfHour, queries[i].Tags = halfHours, []targeting.Tag{2, 3, 4}
	}
	var s targeting.Scratch
	found := 0
	match := func() {
		for i := range queries {
			found += len(ix.MatchPersonal(&queries[i], &s)) + len(ix.MatchContextual(&queries[i].Contextual, &s))
		}
	}
	match()
	if n := testing.AllocsPerRun(2, match); n != 0 {
		t.Errorf("%v allocations in %d matches", n, 2*len(queries))
	}
	if found == 0 {
		t.Error("nothing matched")
	}
}
