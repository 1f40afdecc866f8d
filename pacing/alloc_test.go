package pacing_test

import (
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
)

// served is a Book with one full chain and a ring, for the tests of cost.
func served(t testing.TB) (*pacing.Book, *pacing.Holds, *pacing.Chain) {
	b := newBook(t)
	var c pacing.Chain
	for i := range pacing.Wallet + 1 {
		if i%2 == 0 && i < pacing.Wallet {
			c[i] = must(b.AddDaily())
			b.Arm(c[i], today)
		} else {
			c[i] = must(b.AddTotal())
		}
		b.Grant(c[i], today, money.MaxNanos/2)
	}
	return b, must(pacing.NewHolds(pacing.HoldsConfig{Capacity: 1 << 12})), &c
}

func TestThePathAllocatesNothing(t *testing.T) {
	b, h, c := served(t)
	ctl := pacing.NewController(pacing.Smooth, money.One/2)
	release := func(e *pacing.Entry) { b.Release(&e.Chain, e.Day, e.Amount) }
	e := pacing.Entry{Chain: *c, Amount: 100, Day: today, Frequency: 7}
	var d pacing.Delays
	f := func(name string, run func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	f("hold, put, take, commit", func() {
		if ok, _ := b.Hold(&e.Chain, e.Day, e.Amount); !ok {
			t.Fatal("refused")
		}
		serial, _ := h.Put(&e, 5)
		h.TakeFrequency(serial)
		got, ok := h.Take(serial)
		if !ok || b.Commit(&got.Chain, got.Day, got.Amount, 90) != 90 {
			t.Fatal("not committed")
		}
	})
	f("expire", func() {
		b.Hold(&e.Chain, e.Day, e.Amount)
		h.Put(&e, 5)
		if h.Expire(5, 10, release) != 1 {
			t.Fatal("not expired")
		}
	})
	f("delay", func() { d.Observe(5); d.Quantile(money.One / 2) })
	spent := money.Nanos(0)
	f("tick", func() {
		spent++
		ctl.Tick(&pacing.Tick{Budget: money.SumOf(1000), Spent: money.SumOf(spent), Elapsed: money.PPB(spent)})
	})
	f("lease", func() {
		pacing.Leaser{}.Grant(&pacing.Position{Limit: money.SumOf(1000)})
	})
	f("snapshot", func() { b.Snapshot(c[0], today); b.Grant(c[0], today, 1); b.TakeBack(c[0], today, 1) })
}
