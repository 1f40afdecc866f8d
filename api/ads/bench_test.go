package ads_test

import (
	"testing"

	"mazad/serving"
)

func BenchmarkHandler(b *testing.B) {
	h := open(b, nil)
	h.engine.creatives = []*serving.Creative{image(), image(), image()}
	for name, c := range map[string][2]string{"feed": {"/v1/ads", feedBody}, "bid": {"/openrtb2/bid", typicalBid(b)}} {
		b.Run(name, func(b *testing.B) {
			send := h.request(c[0], c[1])
			b.SetBytes(int64(len(c[1])))
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}
