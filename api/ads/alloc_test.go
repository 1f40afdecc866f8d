//go:build !race

package ads_test

import (
	"testing"

	"mazad/serving"
)

// The race detector makes sync.Pool forget on purpose, so this runs without it.
func TestHandlerAllocatesNothing(t *testing.T) {
	h := open(t, nil)
	h.engine.creatives = []*serving.Creative{image(), image(), image()}
	for uri, body := range map[string]string{"/v1/ads": feedBody, "/openrtb2/bid": typicalBid(t)} {
		send := h.request(uri, body)
		if status := send(); status != 200 {
			t.Fatalf("%s: %d", uri, status)
		}
		for range 10 {
			send()
		}
		if n := testing.AllocsPerRun(200, func() { send() }); n != 0 {
			t.Errorf("%s: %v allocations", uri, n)
		}
	}
}
