package serving

import (
	"bytes"
	"context"
	"testing"

	"mazad/campaign/campaigntest"
)

// BenchmarkVerdict is what judging a beacon costs at home, without the disk: a
// log that answers at once. A repeat includes its refusal.
func BenchmarkVerdict(b *testing.B) {
	s := newStage(b, campaigntest.Options{AdGroups: 500, Seed: 61, CPMOnly: true}, 9_000_000_000_000)
	disk := &stuckLog{}
	disk.come()
	disk.forget = true
	tr := s.trackInto(b, disk)
	var req Request
	var resp Response
	var tokens [][]byte
	for i := 0; len(tokens) < 30_000; i++ {
		s.request(i, 10, &req)
		s.engine.Decide(&req, &resp)
		if len(resp.Ads) == 0 {
			must(b, s.treasurer.Tick(context.Background(), s.clock.Now()))
		}
		for _, p := range resp.Ads {
			tokens = append(tokens, bytes.Clone(p.Token))
		}
	}
	b.Run("first", func(b *testing.B) {
		i := 0
		for b.Loop() { // every token has three uses
			tr.Confirm(context.Background(), &Beacon{Signal: Signal(i / len(tokens) % 3), Token: tokens[i%len(tokens)]})
			i++
		}
		b.ReportAllocs()
	})
	b.Run("repeat", func(b *testing.B) {
		for b.Loop() {
			tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: tokens[0]})
		}
		b.ReportAllocs()
	})
}
