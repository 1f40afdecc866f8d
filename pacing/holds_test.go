package pacing_test

import (
	"slices"
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
)

// ring is a small Holds and the words to test it with.
type ring struct {
	*testing.T
	h *pacing.Holds
}

func (r ring) put(group uint64, class pacing.Class, expiry int64) uint64 {
	r.Helper()
	serial, ok := r.h.Put(&pacing.Entry{AdGroup: group, Frequency: group * 10, Class: class, Amount: money.Nanos(group)}, expiry)
	if !ok {
		r.Fatalf("hold %d refused", group)
	}
	return serial
}

func (r ring) expire(now int64, want ...uint64) {
	r.Helper()
	var got []uint64
	r.h.Expire(now, 100, func(e *pacing.Entry) { got = append(got, e.AdGroup) })
	if !slices.Equal(got, want) {
		r.Fatalf("at %d expired %v, want %v", now, got, want)
	}
}

func TestHoldsLife(t *testing.T) {
	h := must(pacing.NewHolds(pacing.HoldsConfig{Capacity: 3})) // rounds up to 4
	put, expire := ring{t, h}.put, ring{t, h}.expire
	click := put(1, pacing.PerEvent, 100)
	a, b, c := put(2, pacing.PerImpression, 10), put(3, pacing.PerImpression, 20), put(4, pacing.PerImpression, 30)
	if a != click+1 || b != a+1 || c != b+1 {
		t.Errorf("serials %d %d %d %d are not dense", click, a, b, c)
	}
	if _, ok := h.Put(&pacing.Entry{}, 0); ok {
		t.Error("a fifth hold fits a ring of four")
	}
	if f, ok := h.TakeFrequency(click); f != 10 || !ok {
		t.Errorf("frequency %d, %v", f, ok)
	}
	if _, ok := h.TakeFrequency(click); ok {
		t.Error("a frequency reservation was given twice")
	}
	expire(9)
	expire(10, 2)
	if e, ok := h.Take(b); !ok || e.AdGroup != 3 || e.Frequency != 30 || e.Amount != 3 {
		t.Errorf("take: %+v, %v", e, ok)
	}
	if _, ok := h.Take(b); ok {
		t.Error("a hold was taken twice")
	}
	if _, ok := h.Take(a); ok {
		t.Error("an expired hold was taken")
	}
	// The click's hold outlives the turn of the ring: its slot is stepped over.
	d := put(5, pacing.PerImpression, 40)
	if d != c+2 {
		t.Errorf("serial %d after %d, want one gap", d, c)
	}
	expire(50, 4, 5)
	if e, ok := h.Take(click); !ok || e.AdGroup != 1 || e.Frequency != 0 {
		t.Errorf("click: %+v, %v; its frequency was taken", e, ok)
	}
	for i := range uint64(20) { // many turns
		put(100+i, pacing.Class(i%2), 200)
		expire(200, 100+i)
	}
	if s := h.Stats(); s.Held != 0 || s.Full != 1 || s.Gaps != 1 || s.Gone != 2 || s.Expired != 23 || s.Taken != 2 {
		t.Errorf("stats %+v", s)
	}
	for _, serial := range []uint64{0, 1 << 60, h.Stats().Serial + 1} {
		if _, ok := h.Take(serial); ok {
			t.Errorf("serial %d was never given out", serial)
		}
	}
	if _, err := pacing.NewHolds(pacing.HoldsConfig{Capacity: -1}); err == nil {
		t.Error("a negative capacity was accepted")
	}
}

func TestExpireIsBoundedPerCall(t *testing.T) {
	h := must(pacing.NewHolds(pacing.HoldsConfig{Capacity: 64}))
	for range 50 {
		h.Put(&pacing.Entry{}, 5)
	}
	for _, want := range []int{20, 20, 10, 0} {
		if n := h.Expire(5, 20, func(*pacing.Entry) {}); n != want {
			t.Errorf("expired %d, want %d", n, want)
		}
	}
}

func TestDelays(t *testing.T) {
	var d pacing.Delays
	if _, ok := d.Quantile(money.One / 2); ok {
		t.Error("a quantile of nothing")
	}
	for ms := range int64(10_000) {
		d.Observe(ms)
	}
	for _, p := range []money.PPB{1, money.One / 100, money.One / 2, money.One * 9 / 10, money.One, 2 * money.One} {
		got, _ := d.Quantile(p)
		want := float64(min(p, money.One)) / 1e9 * 10_000
		if float64(got) < want-1 || float64(got) > want*1.25+1 {
			t.Errorf("quantile %d is %d ms, want %.0f to %.0f", p, got, want, want*1.25)
		}
	}
	d.Halve()
	if n := d.Count(); n < 4_000 || n > 6_000 {
		t.Errorf("%d left after halving 10,000", n)
	}
	d.Observe(-5)
	d.Observe(1 << 62)
	if got, _ := d.Quantile(money.One); got != 1<<27-1 {
		t.Errorf("the longest delay is read as %d", got)
	}
}
