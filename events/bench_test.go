package events_test

import (
	"testing"

	"mazad/events"
	"mazad/internal/id"
)

func BenchmarkSeal(b *testing.B) {
	s, tok, dst := newSealer(b, secret(1)), sampleToken(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Append(dst[:0], tok)
	}
	b.ReportMetric(float64(len(dst)), "chars")
}

func BenchmarkOpen(b *testing.B) {
	s := newSealer(b, secret(1))
	text := s.Append(nil, sampleToken())
	var tok events.Token
	b.ReportAllocs()
	for b.Loop() {
		s.Open(&tok, text, events.UseClick, auctionMS)
	}
}

func BenchmarkEncode(b *testing.B) {
	r := events.Record{ID: id.Event{Hi: 1}, Kind: events.KindImpression, Features: make([]byte, 32)}
	enc, dst := events.Encoder{Keys: testKeys()}, []byte(nil)
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = enc.Append(dst[:0], &r)
		}
		b.ReportMetric(float64(len(dst)), "bytes")
	}
	b.Run("contextual", run)
	r.Personal = events.Personal{State: events.PrivacyOpen, Ord: 1, UserAgent: make([]byte, 100), Segments: make([]uint32, 20)}
	b.Run("personal", run)
}

func BenchmarkDecode(b *testing.B) {
	r := events.Record{ID: id.Event{Hi: 1}, Kind: events.KindImpression, Features: make([]byte, 32)}
	enc := events.Encoder{}
	data, _ := enc.Append(nil, &r)
	b.ReportAllocs()
	for b.Loop() {
		events.Decode(data, &r, nil)
	}
}

func BenchmarkMarkOnce(b *testing.B) {
	u := events.NewUsed()
	var serial uint64
	b.ReportAllocs()
	for b.Loop() {
		u.MarkOnce(events.TokenID{Serial: serial}, events.UseImpression, 0)
		serial++
	}
	b.ReportMetric(float64(u.Stats().Bytes)*8/float64(serial), "bits/token")
}
