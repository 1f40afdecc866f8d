package targeting_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ix := targeting.Build(targetingtest.Rules(n, 1))
			queries := targetingtest.Queries(2000, 2)
			var s targeting.Scratch
			matched, took := 0, make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				matched += len(ix.MatchPersonal(&queries[i%len(queries)], &s))
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50_us")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99_us")
			b.ReportMetric(float64(matched)/float64(b.N), "matches/op")
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		rules := targetingtest.Rules(n, 1)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				targeting.Build(rules)
			}
		})
	}
}
