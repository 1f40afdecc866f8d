package pacing_test

import (
	"testing"

	"mazad/internal/money"
	"mazad/pacing"

	"pgregory.net/rapid"
)

func TestGrant(t *testing.T) {
	f := func(l pacing.Leaser, limit, spent, leased, avail, perSecond, want money.Nanos) {
		t.Helper()
		p := pacing.Position{Limit: money.SumOf(limit), Spent: money.SumOf(spent), Leased: money.SumOf(leased), Avail: avail, PerSecond: perSecond}
		if got := l.Grant(&p); got != want {
			t.Errorf("%+v: grant %d, want %d", p, got, want)
		}
	}
	one, four := pacing.Leaser{}, pacing.Leaser{Nodes: 4}
	f(one, 6400, 0, 0, 0, 0, 100)      // a 64th
	f(one, 6400, 0, 0, 0, 30, 300)     // ten seconds
	f(one, 6400, 0, 100, 60, 0, 0)     // more than half a slice is left
	f(one, 6400, 0, 100, 50, 0, 50)    // refill
	f(one, 6400, 6350, 0, 0, 30, 50)   // the rest
	f(one, 6400, 6400, 0, 0, 30, 0)    // spent
	f(one, 6400, 6000, 400, 0, 30, 0)  // leased elsewhere
	f(one, 6400, 6500, 0, 0, 30, 0)    // the budget was cut
	f(one, 0, 0, 0, 0, 0, 0)           // no budget
	f(one, 1, 0, 0, 0, 0, 1)           // one nano
	f(four, 6400, 6200, 0, 0, 100, 50) // a quarter of the rest
	f(four, 6400, 6397, 0, 0, 100, 1)  // shrinks to the end
	f(pacing.Leaser{Parts: 1}, money.MaxNanos, 0, 0, 0, money.MaxNanos, money.MaxNanos)
	huge := pacing.Position{Limit: money.SumOf(money.MaxNanos).Mul(1000), Avail: 5}
	if got := one.Grant(&huge); got != money.MaxNanos-5 {
		t.Errorf("huge limit: grant %d, want %d", got, money.MaxNanos-5)
	}
	for _, l := range []pacing.Leaser{{Parts: 1 << 21}, {HorizonSeconds: 3601}, {Nodes: 1025}} {
		if l.Validate() == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
}

// Several nodes that lease, spend and report late never pass the limit, and
// together spend all of it.
func TestI1LeasesNeverPassTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type node struct{ avail, unreported, rate money.Nanos }
		nodes := make([]node, rapid.IntRange(1, 5).Draw(t, "nodes"))
		l := pacing.Leaser{Nodes: uint64(len(nodes)), Parts: rapid.Uint64Range(1, 100).Draw(t, "parts")}
		limit := money.Nanos(rapid.Int64Range(1, 100_000).Draw(t, "limit"))
		var spent, leased, delivered money.Nanos // as the store knows, and as it is
		for step := 0; delivered < limit; step++ {
			if step > 100_000 {
				t.Fatalf("%d of %d spent, the rest is stuck: %+v", delivered, limit, nodes)
			}
			n := &nodes[step%len(nodes)]
			n.rate = money.Nanos(rapid.Int64Range(0, 1000).Draw(t, "rate"))
			if rapid.Bool().Draw(t, "report") || step%7 == 0 {
				spent, leased, n.unreported = spent+n.unreported, leased-n.unreported, 0
			}
			p := pacing.Position{Limit: money.SumOf(limit), Spent: money.SumOf(spent), Leased: money.SumOf(leased), Avail: n.avail, PerSecond: n.rate}
			g := l.Grant(&p)
			if g < 0 || spent+leased+g > limit {
				t.Fatalf("grant %d beyond %d: spent %d, leased %d", g, limit, spent, leased)
			}
			leased, n.avail = leased+g, n.avail+g
			spend := min(n.avail, n.rate+1)
			n.avail, n.unreported, delivered = n.avail-spend, n.unreported+spend, delivered+spend
		}
		if delivered != limit {
			t.Fatalf("delivered %d of %d", delivered, limit)
		}
	})
}
