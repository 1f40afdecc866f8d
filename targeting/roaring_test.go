package targeting_test

import (
	"slices"
	"testing"

	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

// The engine that benchmarks compare with must do the same work.
func TestRoaringReferenceEqualsIndex(t *testing.T) {
	rules := targetingtest.Rules(20_000, 3)
	ix, ref := targeting.Build(rules), targetingtest.NewRoaring(rules)
	var s targeting.Scratch
	for _, q := range targetingtest.Queries(200, 4) {
		var got []targeting.Ord
		for _, ord := range ref.Match(&q, nil) {
			got = append(got, targeting.Ord(ord))
		}
		if want := ix.MatchPersonal(&q, &s); !slices.Equal(got, want) {
			t.Fatalf("%+v: %d and %d rules", q, len(got), len(want))
		}
	}
}

func BenchmarkRoaring100k(b *testing.B) {
	rules := targetingtest.Rules(100_000, 1)
	ref, queries := targetingtest.NewRoaring(rules), targetingtest.Queries(2000, 2)
	var dst []uint32
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = ref.Match(&queries[i%len(queries)], dst[:0])
	}
}
