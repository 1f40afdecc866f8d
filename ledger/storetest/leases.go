package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// cap1 is the lifetime limit of ad group 1.
var cap1 = ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 1}

// grant asks for one limit.
func (f *fixture) grant(node uint16, generation uint32, l ledger.Limit, ceiling, want money.Nanos) ledger.Grant {
	f.Helper()
	return must(f.store.GrantLeases(f.ctx, node, generation, f.clock.Now().Add(impressionTTL),
		[]ledger.LeaseAsk{{Limit: l, Ceiling: nanos(ceiling), Want: nanos(want)}}))(f)[0]
}

func (f *fixture) added(g ledger.Grant, want, left money.Nanos) {
	f.Helper()
	if g.Added != nanos(want) || g.Left != nanos(left) {
		f.Errorf("added %s with %s left, want %s with %s left", g.Added, g.Left, nanos(want), nanos(left))
	}
}

func grants(f *fixture) {
	f.added(f.grant(1, 1, cap1, 100, 30), 30, 70)
	f.added(f.grant(1, 1, cap1, 100, 30), 30, 40)
	f.added(f.grant(2, 1, cap1, 100, 60), 40, 0)
	f.added(f.grant(1, 1, cap1, 100, 1), 0, 0)
	leases := must(f.store.Leases(f.ctx))(f)
	if len(leases) != 2 || leases[0].Granted != nanos(60) || leases[1].Granted != nanos(40) || !leases[0].ExpiresAt.Equal(start.Add(impressionTTL)) {
		f.Errorf("leases %+v", leases)
	}
	// Spend moves from outstanding to spent: nothing becomes free, nothing is lost.
	f.post(start, row(anis, 1, 1, 25))
	g := f.grant(1, 1, cap1, 100, 1)
	f.added(g, 0, 0)
	if g.Spend != nanos(25) || g.Lease.Spent != nanos(25) || g.Lease.Outstanding() != nanos(35) {
		f.Errorf("after spend %+v", g)
	}
	f.added(f.grant(1, 1, cap1, 120, 50), 20, 0) // a higher budget
	f.added(f.grant(1, 1, cap1, 50, 50), 0, 0)   // a lower one takes nothing back
	f.added(f.grant(1, 1, ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 2}, 0, 50), 0, 0)
}

func dailyLimits(f *fixture) {
	day := func(d int32) ledger.Limit { return ledger.Limit{Kind: ledger.AdGroupDay, Owner: 1, Day: d} }
	f.added(f.grant(1, 1, day(today), 100, 100), 100, 0)
	f.added(f.grant(1, 1, day(tomorrow), 100, 30), 30, 70)
	f.post(start, row(anis, 1, 1, 40))
	g := f.grant(1, 1, day(tomorrow), 100, 0)
	if g.Spend.Sign() != 0 || g.Lease.Spent.Sign() != 0 {
		f.Errorf("today's spend counts tomorrow: %+v", g)
	}
}

// walletLease: the wallet's limit is what is in it, not what the caller says.
func walletLease(f *fixture) {
	w := ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(anis)}
	f.added(f.grant(1, 1, w, 1_000, 10), 0, 0)
	f.fund(anis, "1", 1) // 1000 nanos
	f.added(f.grant(1, 1, w, 0, 600), 600, 400)
	f.post(start, row(anis, 1, 1, 500))
	f.added(f.grant(1, 1, w, 0, 1_000), 400, 0)
	f.fund(anis, "2", 1)
	f.added(f.grant(2, 1, w, 0, 5_000), 1_000, 0)
}

// lifeEnds: the lease of a node that died stays outstanding until it has
// expired and what it billed is posted.
func lifeEnds(f *fixture) {
	f.added(f.grant(1, 1, cap1, 100, 80), 80, 20)
	f.clock.Advance(time.Minute) // it dies, and starts again
	f.added(f.grant(1, 2, cap1, 100, 50), 20, 0)
	f.clock.Advance(impressionTTL) // the time has come, but who knows what was billed?
	f.added(f.grant(1, 2, cap1, 100, 50), 0, 0)
	f.post(start.Add(impressionTTL-1), row(anis, 1, 1, 30))
	f.added(f.grant(1, 2, cap1, 100, 50), 0, 0)
	f.post(start.Add(impressionTTL), row(anis, 1, 2, 10)) // of generation 1, the last of it
	f.added(f.grant(1, 2, cap1, 100, 50), 40, 0)          // 100 - 40 spent - 20 held by this life
	f.ok(f.store.CloseGeneration(f.ctx, 1, 2, start.Add(impressionTTL)))
	f.added(f.grant(1, 3, cap1, 100, 100), 60, 0)
}

func returns(f *fixture) {
	f.grant(1, 1, cap1, 100, 80)
	f.post(start, row(anis, 1, 1, 30))
	back := func(n money.Nanos) error {
		return f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1, Amount: nanos(n)}})
	}
	f.ok(back(20))
	f.added(f.grant(2, 1, cap1, 100, 100), 40, 0) // 100 - 30 spent - 30 outstanding
	f.fails(back(31), ledger.ErrInvalid)
	f.fails(back(-1), ledger.ErrInvalid)
	f.ok(back(30))
	f.fails(f.store.ReturnLeases(f.ctx, 1, 9, []ledger.LeaseReturn{{Limit: cap1, Amount: nanos(1)}}), ledger.ErrNotFound)
	f.fails(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1}, {Limit: cap1}}), ledger.ErrInvalid)
}

// lateAfterExpiry: a lease that was freed does not come back when its life asks again.
func lateAfterExpiry(f *fixture) {
	f.grant(1, 1, cap1, 100, 80)
	f.clock.Advance(impressionTTL)
	f.ok(f.store.Heartbeat(f.ctx, stream, f.clock.Now()))
	f.added(f.grant(2, 1, cap1, 100, 90), 90, 10)
	f.ok(f.store.RenewLeases(f.ctx, 1, 1, f.clock.Now().Add(time.Hour)))
	g := f.grant(1, 1, cap1, 100, 50)
	f.added(g, 10, 0)
	if g.Lease.Outstanding() != nanos(10) {
		f.Errorf("the freed lease came back: %+v", g.Lease)
	}
}

func refundUnderLeases(f *fixture) {
	f.fund(anis, "1", 1) // 1000 nanos
	w := ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(anis)}
	f.grant(1, 1, w, 0, 600)
	refund := ledger.Transfer{Kind: ledger.Refunds, Key: "refund", Debit: ledger.WalletOf(anis, sar), Credit: ledger.HouseAccount(ledger.Cash, sar), Amount: nanos(401)}
	_, _, err := f.store.Transfer(f.ctx, refund)
	f.fails(err, ledger.ErrConflict)
	refund.Amount = nanos(400)
	must2(f.store.Transfer(f.ctx, refund))(f)
	f.added(f.grant(2, 1, w, 0, 10), 0, 0)
}

func manyLeases(f *fixture) {
	const n = 2_000
	asks := make([]ledger.LeaseAsk, n)
	for i := range asks {
		asks[i] = ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(i + 1), Day: today}, Ceiling: nanos(100), Want: nanos(60)}
	}
	for round, want := range []money.Nanos{60, 40, 0} {
		got := must(f.store.GrantLeases(f.ctx, 1, uint32(round+1), start.Add(time.Hour), asks))(f)
		for i, g := range got {
			if g.Added != nanos(want) || g.Lease.Limit != asks[i].Limit {
				f.Fatalf("round %d, ask %d: %+v", round, i, g)
			}
		}
	}
	if got := must(f.store.Leases(f.ctx))(f); len(got) != 2*n { // nothing is kept of a grant of nothing
		f.Errorf("%d leases, want %d", len(got), 2*n)
	}
}

func refusedAsks(f *fixture) {
	refused := func(asks ...ledger.LeaseAsk) {
		f.Helper()
		_, err := f.store.GrantLeases(f.ctx, 1, 1, start, asks)
		f.fails(err, ledger.ErrInvalid)
	}
	refused(ledger.LeaseAsk{Limit: cap1, Want: nanos(-1)})
	refused(ledger.LeaseAsk{Limit: cap1, Ceiling: nanos(-1)})
	refused(ledger.LeaseAsk{Limit: cap1}, ledger.LeaseAsk{Limit: cap1})
	refused(ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 1, Day: today}})
	refused(ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: 1}})
	refused(ledger.LeaseAsk{Limit: ledger.Limit{Kind: 99, Owner: 1}})
	refused(ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdvertiserCap}})
}

// quietStream: without spend a heartbeat frees what has expired.
func quietStream(f *fixture) {
	f.grant(1, 1, cap1, 100, 100)
	f.clock.Advance(impressionTTL)
	f.added(f.grant(1, 2, cap1, 100, 100), 0, 0)
	f.ok(f.store.Heartbeat(f.ctx, stream, f.clock.Now().Add(-1)))
	f.ok(f.store.Heartbeat(f.ctx, stream, start)) // never goes back
	if pos := must(f.store.Position(f.ctx, stream))(f); !pos.Through.Equal(f.clock.Now().Add(-time.Millisecond)) {
		f.Errorf("through %v", pos.Through)
	}
	f.added(f.grant(1, 2, cap1, 100, 100), 0, 0)
	f.ok(f.store.Heartbeat(f.ctx, stream, f.clock.Now()))
	f.added(f.grant(1, 2, cap1, 100, 100), 100, 0)
	f.fails(f.store.Heartbeat(f.ctx, "", start), ledger.ErrInvalid)
}

// severalStreams: the slowest says what is free.
func severalStreams(f *fixture) {
	f.grant(1, 1, cap1, 100, 100)
	f.clock.Advance(impressionTTL)
	f.ok(f.store.Heartbeat(f.ctx, "a", f.clock.Now()))
	f.ok(f.store.Heartbeat(f.ctx, "b", start))
	f.added(f.grant(1, 2, cap1, 100, 100), 0, 0)
	f.ok(f.store.Heartbeat(f.ctx, "b", f.clock.Now()))
	f.added(f.grant(1, 2, cap1, 100, 100), 100, 0)
}

func pruned(f *fixture) {
	f.grant(1, 1, cap1, 100, 60)
	f.clock.Advance(time.Minute)
	f.grant(1, 2, cap1, 100, 10)
	f.ok(f.store.Heartbeat(f.ctx, stream, start.Add(impressionTTL)))
	if n := must(f.store.PruneLeases(f.ctx))(f); n != 1 {
		f.Errorf("%d leases were pruned, want 1", n)
	}
	f.post(start, row(anis, 1, 1, 5)) // too late for the lease, never for the books
	f.added(f.grant(1, 2, cap1, 100, 100), 85, 0)
}

// settledLease: what is used up or given back is not renewed, so that the leases
// of past days do not gather while a node lives long.
func settledLease(f *fixture) {
	f.grant(1, 1, cap1, 100, 60)
	other := ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 2}
	f.grant(1, 1, other, 100, 60)
	third := ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 3}
	f.grant(1, 1, third, 100, 60)
	f.post(start, row(anis, 1, 1, 60))
	f.ok(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: other, Amount: nanos(60)}}))
	f.ok(f.store.RenewLeases(f.ctx, 1, 1, start.Add(24*time.Hour)))
	f.clock.Advance(2 * impressionTTL)
	f.ok(f.store.Heartbeat(f.ctx, stream, f.clock.Now()))
	if n := must(f.store.PruneLeases(f.ctx))(f); n != 2 {
		f.Errorf("%d leases were pruned, want 2", n)
	}
	f.added(f.grant(1, 1, cap1, 100, 100), 40, 0)
	f.added(f.grant(1, 1, third, 100, 100), 40, 0)
}

// Leases is I1 as far as the store decides it: over a long random history of
// grants, bills, posts, crashes and expiries, what is billed (posted or not)
// never passes the limit.
func Leases(t *testing.T, open Open) {
	f := newFixture(t, open)
	rng := rand.New(rand.NewPCG(1, 12))
	const ceiling = 1_000
	type life struct {
		generation uint32
		left       money.Nanos // granted and not billed
		expires    time.Time
	}
	nodes := map[uint16]*life{1: {generation: 1}, 2: {generation: 1}, 3: {generation: 1}}
	var billed, posted money.Nanos
	var unposted []ledger.SpendRow
	for step := range 600 {
		node := uint16(1 + rng.IntN(3))
		n := nodes[node]
		switch rng.IntN(8) {
		case 0, 1: // ask
			g := f.grant(node, n.generation, cap1, ceiling, money.Nanos(rng.Int64N(60)))
			added, _ := g.Added.Nanos()
			if now := f.clock.Now(); !n.expires.After(now) {
				n.left = 0 // a node must not bill what expired
			}
			n.left += added
			n.expires = g.Lease.ExpiresAt
		case 2, 3, 4: // bill
			if amount := money.Nanos(rng.Int64N(20)); amount > 0 && amount <= n.left && n.expires.After(f.clock.Now()) {
				n.left -= amount
				billed += amount
				r := row(anis, 1, int64(step), amount)
				r.Node, r.Generation = node, n.generation
				unposted = append(unposted, r)
			}
		case 5: // post some, in order
			k := rng.IntN(len(unposted) + 1)
			through := time.Time{}
			if k == len(unposted) {
				through = f.clock.Now()
			}
			for _, r := range unposted[:k] {
				amount, _ := r.Amount.Nanos()
				posted += amount
			}
			f.post(through, unposted[:k]...)
			unposted = append([]ledger.SpendRow(nil), unposted[k:]...)
		case 6: // crash
			if rng.IntN(4) == 0 {
				*n = life{generation: n.generation + 1}
			}
		case 7:
			f.clock.Advance(time.Duration(rng.IntN(10)) * time.Minute)
		}
		if billed > ceiling {
			t.Fatalf("step %d: %s was billed of %s", step, billed, money.Nanos(ceiling))
		}
	}
	if posted < ceiling*9/10 {
		t.Errorf("only %d of %d could be spent: the test tests little", posted, ceiling)
	}
	f.balanced()
	got := must(f.store.Spend(f.ctx, ledger.SpendQuery{Limits: []ledger.Limit{cap1}}))(f)
	if got[0].Spent != nanos(posted) {
		t.Errorf("%s is posted, want %s", got[0].Spent, nanos(posted))
	}
}

// PostTime posts a batch of n ad groups with leases and returns how long it took.
func PostTime(t *testing.T, open Open, now func() time.Time, n int) time.Duration {
	f := newFixture(t, open)
	rows := make([]ledger.SpendRow, n)
	asks := make([]ledger.LeaseAsk, n)
	for i := range rows {
		rows[i] = row(id.Advertiser(1+i/20), id.AdGroup(1+i), 1, 10)
		asks[i] = ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(1 + i), Day: today}, Ceiling: nanos(100), Want: nanos(50)}
	}
	at := now()
	must(f.store.GrantLeases(f.ctx, 1, 1, start.Add(time.Hour), asks))(f)
	t.Log(fmt.Sprint(n, " leases granted in ", now().Sub(at)))
	f.post(start, rows...)
	at = now()
	f.post(start, rows...)
	return now().Sub(at)
}
