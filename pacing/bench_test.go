package pacing_test

import (
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
)

func BenchmarkHoldCommit(b *testing.B) { // a chain of seven
	book, _, c := served(b)
	b.ReportAllocs()
	for b.Loop() {
		book.Hold(c, today, 100)
		book.Commit(c, today, 100, 90)
	}
}

func BenchmarkHoldRelease(b *testing.B) {
	book, _, c := served(b)
	for b.Loop() {
		book.Hold(c, today, 100)
		book.Release(c, today, 100)
	}
}

func BenchmarkHoldReleaseParallel(b *testing.B) { // every goroutine on the same chain
	book, _, c := served(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, _ := book.Hold(c, today, 100); ok {
				book.Release(c, today, 100)
			}
		}
	})
}

func BenchmarkHoldRefused(b *testing.B) {
	book, _, c := served(b)
	for b.Loop() {
		book.Hold(c, today, money.MaxNanos)
	}
}

func BenchmarkPutTake(b *testing.B) {
	_, h, c := served(b)
	e := pacing.Entry{Chain: *c, Amount: 100, Day: today}
	b.ReportAllocs()
	for b.Loop() {
		serial, _ := h.Put(&e, 5)
		h.Take(serial)
	}
}

func BenchmarkPutExpire(b *testing.B) {
	_, h, c := served(b)
	e := pacing.Entry{Chain: *c, Amount: 100, Day: today}
	release := func(*pacing.Entry) {}
	for b.Loop() {
		h.Put(&e, 5)
		h.Expire(5, 1, release)
	}
}

func BenchmarkTick(b *testing.B) {
	c := pacing.NewController(pacing.Smooth, money.One/2)
	var n money.Nanos
	for b.Loop() {
		n++
		c.Tick(&pacing.Tick{Budget: money.SumOf(1 << 50), Spent: money.SumOf(n << 10), Elapsed: money.PPB(n)})
	}
}
