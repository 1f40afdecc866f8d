package serving

import (
	"fmt"
	"testing"

	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/money"
)

// BenchmarkSampledDecide is what it costs to keep an auction for a replay, next
// to one that is not in the sample.
func BenchmarkSampledDecide(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for name, share := range map[string]money.PPB{"unsampled": 0, "one percent": money.One / 100, "kept": money.One} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				s := newStage(b, campaigntest.Options{AdGroups: n, Seed: 1}, 1<<50)
				log := &counting{}
				s.engine.cfg.Replays, s.engine.cfg.Sample = log, share
				var req Request
				var resp Response
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					s.request(i, 3, &req)
					req.Test = true
					s.engine.Decide(&req, &resp)
					i++
				}
				b.ReportMetric(float64(log.bytes)/float64(max(log.n, 1)), "bytes/kept")
			})
		}
	}
}

// counting takes every recording and keeps none.
type counting struct{ n, bytes int }

func (c *counting) OfferReplay(r *events.Record) bool {
	c.n++
	c.bytes += len(r.Body)
	return true
}
