package targeting_test

import (
	"slices"
	"testing"

	"mazad/targeting"
	"mazad/targeting/targetingtest"

	"pgregory.net/rapid"
)

// compare checks one request of both kinds against the oracle, and Why and
// Explain against Match, for every rule.
func compare(t interface{ Fatalf(string, ...any) }, rules []targeting.Rule, ix *targeting.Index, q *targeting.Personal, s *targeting.Scratch) {
	want, wantContext := []targeting.Ord{}, []targeting.Ord{}
	for i := range rules {
		if targetingtest.Accepts(&rules[i], q) {
			want = append(want, targeting.Ord(i))
		}
		if targetingtest.AcceptsContextual(&rules[i], &q.Contextual) {
			wantContext = append(wantContext, targeting.Ord(i))
		}
	}
	if got := ix.MatchPersonal(q, s); !slices.Equal(got, want) {
		t.Fatalf("personal %+v: got %v, want %v", *q, clip(got), clip(want))
	}
	if got := ix.MatchContextual(&q.Contextual, s); !slices.Equal(got, wantContext) {
		t.Fatalf("contextual %+v: got %v, want %v", q.Contextual, clip(got), clip(wantContext))
	}
	next := 0
	ix.Explain(q, s, func(ord targeting.Ord, d targeting.Dimension) {
		accepted := next < len(want) && want[next] == ord
		if accepted {
			next++
		}
		if accepted != (d == targeting.DimensionNone) {
			t.Fatalf("rule %d: accepted %v, but Why says %s: %+v", ord, accepted, d, rules[ord])
		}
	})
	next = 0
	ix.ExplainContextual(&q.Contextual, s, func(ord targeting.Ord, d targeting.Dimension) {
		accepted := next < len(wantContext) && wantContext[next] == ord
		if accepted {
			next++
		}
		if accepted != (d == targeting.DimensionNone) {
			t.Fatalf("rule %d contextual: accepted %v, but Why says %s: %+v", ord, accepted, d, rules[ord])
		}
	})
}

func clip(ords []targeting.Ord) []targeting.Ord { return ords[:min(len(ords), 50)] }

func TestMatchEqualsOracleOnWorkload(t *testing.T) {
	var s targeting.Scratch // one for all sizes: a scratch moves between indexes
	for _, n := range []int{0, 1, 60, 700, 9000, 30_000} {
		rules := targetingtest.Rules(n, 7)
		ix := targeting.Build(rules)
		for _, q := range targetingtest.Queries(40, 8) {
			compare(t, rules, ix, &q, &s)
		}
	}
}

func TestMatchEqualsOracle(t *testing.T) {
	var s targeting.Scratch
	rapid.Check(t, func(t *rapid.T) {
		rules, queries := decodeCase(drawer(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "x") }))
		ix := targeting.Build(rules)
		for i := range queries {
			compare(t, rules, ix, &queries[i], &s)
		}
	})
}

// A few rules repeated until every bucket is a cell, so that rare structures
// meet bitmaps, roaring rows and the residual row too.
func TestMatchEqualsOracleWithLargeCells(t *testing.T) {
	var s targeting.Scratch
	rapid.Check(t, func(t *rapid.T) {
		few, queries := decodeCase(drawer(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "x") }))
		var rules []targeting.Rule
		for i := range 3000 {
			rules = append(rules, few[i*i%len(few)])
			if i%50 == 0 { // makes some attributes rare
				rules[i].Interests = []targeting.Interest{targeting.Interest(i / 1000)}
			}
		}
		ix := targeting.Build(rules)
		for i := range queries {
			compare(t, rules, ix, &queries[i], &s)
		}
	})
}

// drawer gives a number below n.
type drawer func(n int) int

// decodeCase makes rules and requests over a world so small that they meet.
func decodeCase(draw drawer) (rules []targeting.Rule, queries []targeting.Personal) {
	for range 1 + draw(12) {
		rules = append(rules, drawRule(draw))
	}
	for range 1 + draw(4) {
		queries = append(queries, drawQuery(draw))
	}
	return rules, queries
}

func drawRule(draw drawer) targeting.Rule {
	var r targeting.Rule
	for range draw(5) { // a few constraints of many kinds
		switch draw(18) {
		case 0:
			r.Countries = drawList[targeting.Country](draw, 3)
		case 1:
			r.Regions = drawList[targeting.Region](draw, 3)
		case 2:
			r.Cities = drawList[targeting.City](draw, 3)
		case 3:
			r.ExcludeCountries = drawList[targeting.Country](draw, 3)
		case 4:
			r.ExcludeRegions = drawList[targeting.Region](draw, 3)
		case 5:
			r.ExcludeCities = drawList[targeting.City](draw, 3)
		case 6:
			r.Ages = targeting.AgeSet(draw(130))
		case 7:
			r.Gender = targeting.Gender(draw(4))
		case 8:
			r.Languages = drawList[targeting.Language](draw, 3)
		case 9:
			r.OS = targeting.OSSet(draw(18))
		case 10:
			r.MinAndroid = targeting.Version(draw(4))
		case 11:
			r.MinIOS = targeting.Version(draw(4))
		case 12:
			r.Placements = targeting.PlacementSet(draw(66))
		case 13:
			r.Interests = drawList[targeting.Interest](draw, 4)
		case 14:
			r.Tags = drawList[targeting.Tag](draw, 4)
		case 15:
			for range draw(4) {
				r.Segments = append(r.Segments, drawList[targeting.Segment](draw, 4))
			}
		case 16:
			r.ExcludeSegments = drawList[targeting.Segment](draw, 4)
		case 17:
			r.Zone = uint16(draw(3))
			r.Dayparting[draw(7)] = uint64(draw(4))
		}
	}
	return r
}

func drawQuery(draw drawer) targeting.Personal {
	q := targeting.Personal{
		Contextual: targeting.Contextual{
			Placement: targeting.Placement(draw(7)), Country: targeting.Country(draw(4)), Region: targeting.Region(draw(4)),
			Language: targeting.Language(draw(4)), OS: targeting.OS(draw(5)), Age: targeting.Band(draw(8)),
			Tags: drawList[targeting.Tag](draw, 5),
		},
		City: targeting.City(draw(4)), OSVersion: targeting.Version(draw(5)), Gender: targeting.Gender(draw(4)),
		Interests: drawList[targeting.Interest](draw, 5), Segments: drawList[targeting.Segment](draw, 5),
	}
	for range draw(3) {
		q.HalfHour = append(q.HalfHour, uint16(draw(8))*48+uint16(draw(3)))
	}
	return q
}

// drawList may be empty and may repeat; 0 is unknown for some lists, which makes
// the rule invalid.
func drawList[T ~uint16 | ~uint32 | ~uint64](draw drawer, values int) []T {
	var list []T
	for range draw(4) {
		v := draw(values + 1)
		if v == 0 {
			v = 1 + draw(values+1)/values*(-1) // mostly 1, sometimes 0
		}
		list = append(list, T(v))
	}
	return list
}
