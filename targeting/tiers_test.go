package targeting

import (
	"math"
	"slices"
	"testing"
)

func TestTierEnds(t *testing.T) {
	for _, c := range []struct {
		n, first int
		want     []int
	}{
		{0, 512, nil},
		{1, 512, []int{1}},
		{3, 0, []int{1, 3}},
		{512, 512, []int{512}},
		{600, 512, []int{600}}, // the rest is smaller than the first tier
		{1100, 512, []int{512, 1100}},
		{10_000, 512, []int{512, 2560, 10_000}},
		{100_000, 512, []int{512, 2560, 10_752, 43_520, 100_000}},
		{10, math.MaxInt, []int{10}},
	} {
		if got := tierEnds(c.n, c.first); !slices.Equal(got, c.want) {
			t.Errorf("%d in tiers from %d: %v, want %v", c.n, c.first, got, c.want)
		}
	}
}

// The tiers together accept what one index of all rules accepts.
func TestTiersTogetherAreTheWhole(t *testing.T) {
	rules := []Rule{{}, {Countries: []Country{'A'<<8 | 'A'}}, {Tags: []Tag{7}}, {OS: OSOf(IOS)}, {}, {Ages: AgesOf(Age18_24)}, {}}
	q := Personal{Contextual: Contextual{OS: IOS, Country: 'A'<<8 | 'A'}}
	var s Scratch
	want := slices.Clone(Build(rules).MatchPersonal(&q, &s))
	for first := 1; first < 9; first++ {
		var got []Ord
		for _, tier := range BuildTiers(rules, first) {
			for _, o := range tier.Index.MatchPersonal(&q, &s) {
				got = append(got, tier.From+o)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("first %d: %v, want %v", first, got, want)
		}
	}
}
