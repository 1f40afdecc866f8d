package targeting_test

import (
	"reflect"
	"slices"
	"testing"

	"mazad/targeting"

	"pgregory.net/rapid"
)

// I10: no contextual request is ever answered with a rule that is personal, and
// what personal rules there are in the index cannot change the answer.
func TestI10ContextualNeverMeetsPersonal(t *testing.T) {
	var s targeting.Scratch
	rapid.Check(t, func(t *rapid.T) {
		draw := drawer(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "x") })
		few, queries := decodeCase(draw)
		var rules, plain []targeting.Rule
		var position []targeting.Ord
		for i := range 120 {
			r := few[i%len(few)]
			if !r.Personal() {
				position = append(position, targeting.Ord(i))
				plain = append(plain, r)
			}
			rules = append(rules, r)
		}
		with, without := targeting.Build(rules), targeting.Build(plain)
		for i := range queries {
			q := &queries[i].Contextual
			got := slices.Clone(with.MatchContextual(q, &s))
			for _, ord := range got {
				if rules[ord].Personal() {
					t.Fatalf("rule %d is personal: %+v", ord, rules[ord])
				}
			}
			var want []targeting.Ord
			for _, p := range without.MatchContextual(q, &s) {
				want = append(want, position[p])
			}
			if !slices.Equal(got, want) {
				t.Fatalf("with personal rules %v, without %v", got, want)
			}
		}
	})
}

// The contextual query type has exactly the fields that I10 allows: whoever adds
// one must come by here.
func TestI10ContextualQueryHasNoPersonalField(t *testing.T) {
	allowed := []string{"Placement", "Country", "Region", "Language", "OS", "Age", "Tags", "HalfHour"}
	var fields []string
	for f := range reflect.TypeFor[targeting.Contextual]().Fields() {
		fields = append(fields, f.Name)
	}
	if !slices.Equal(fields, allowed) {
		t.Errorf("fields %v, allowed %v", fields, allowed)
	}
	if reflect.TypeFor[targeting.Contextual]().Field(5).Type != reflect.TypeFor[targeting.Band]() {
		t.Error("the age of a contextual query is not a band")
	}
}
