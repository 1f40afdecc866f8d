//go:build !race

package events_test

import (
	"testing"

	"mazad/events"
	"mazad/internal/id"
)

func TestHotPathAllocatesNothing(t *testing.T) {
	none := func(what string, f func()) {
		t.Helper()
		f()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	s := newSealer(t, secret(1))
	tok, dst := sampleToken(), make([]byte, 0, 4096)
	none("Sealer.Append", func() { s.Append(dst, tok) })
	text := s.Append(nil, tok)
	var got events.Token
	none("Sealer.Open", func() { s.Open(&got, text, events.UseClick, auctionMS) })

	r := events.Record{ID: id.Event{Hi: 1}, Kind: events.KindImpression, Features: []byte("abc")}
	enc := events.Encoder{Keys: testKeys()}
	none("Encoder.Append", func() { enc.Append(dst, &r) })
	b, _ := enc.Append(nil, &r)
	var back events.Record
	none("Decode", func() { events.Decode(b, &back, nil) })
	r.Personal = events.Personal{State: events.PrivacyOpen, Segments: []uint32{1, 2, 3}}
	none("Encoder.AppendClear", func() { enc.AppendClear(dst, &r) })

	u, serial := events.NewUsed(), uint64(0)
	for ; serial < 1<<16; serial++ {
		u.MarkOnce(events.TokenID{Serial: serial}, events.UseClick, 0)
	}
	none("Used.MarkOnce of a repeat", func() { u.MarkOnce(events.TokenID{Serial: 9}, events.UseClick, 0) })
}
