//go:build !race

package diary

import (
	"testing"

	"mazad/events"
	"mazad/internal/id"
)

func TestOfferAllocatesNothing(t *testing.T) {
	r, enc := newRing(256, 1<<30), &events.Encoder{}
	rec := &events.Record{ID: id.Event{Hi: 1}, Kind: events.KindDecision, Features: make([]byte, 100),
		Personal: events.Personal{State: events.PrivacyOpen, Segments: make([]uint32, 30)}}
	lap := func() {
		r.offer(rec, enc)
		r.poll(func([]byte) {})
	}
	for range 300 {
		lap()
	}
	if n := testing.AllocsPerRun(500, lap); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
