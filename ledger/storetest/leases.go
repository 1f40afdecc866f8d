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
	return must(f.store.GrantLeases(f.ctx, node, generation, []ledger.LeaseAsk{{Limit: l, Ceiling: nanos(ceiling), Want: nanos(want)}}))(f)[0]
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
	f.ok(f.store.RenewLeases(f.ctx, 1, 1, start.Add(impressionTTL)))
	one, two := must(f.store.Leases(f.ctx, 1))(f), must(f.store.Leases(f.ctx, 2))(f)
	if len(one) != 1 || len(two) != 1 || one[0].Granted != nanos(60) || two[0].Granted != nanos(40) || !one[0].ExpiresAt.Equal(start.Add(impressionTTL)) {
		f.Errorf("leases %+v %+v", one, two)
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

// weeklyLimits: what a week's days spent is what the week spent, and a lease of
// the week is used up by it.
func weeklyLimits(f *fixture) {
	const monday int32 = 20260209
	week := ledger.Limit{Kind: ledger.AdGroupWeek, Owner: 1, Day: monday}
	f.added(f.grant(1, 1, week, 100, 60), 60, 40)
	f.post(start, row(anis, 1, 1, 10))
	sunday := row(anis, 1, 2, 20)
	sunday.Day = 20260215
	next := row(anis, 1, 3, 40)
	next.Day = 20260216
	f.post(start, sunday, next)
	g := f.grant(2, 1, week, 100, 100)
	f.added(g, 40, 0) // 100 - 30 spent - 30 outstanding
	if g.Spend != nanos(30) {
		f.Errorf("%s spent in the week, want 30", g.Spend)
	}
	f.added(f.grant(2, 1, ledger.Limit{Kind: ledger.CampaignWeek, Owner: int64(anis) * 100, Day: monday}, 100, 100), 70, 0)
	_, err := f.store.GrantLeases(f.ctx, 1, 1, []ledger.LeaseAsk{{Limit: ledger.Limit{Kind: ledger.AdGroupWeek, Owner: 1, Day: monday + 1}}})
	f.fails(err, ledger.ErrInvalid)
}

// lifeEnds: the lease of a node that died stays outstanding, whatever the time,
// until the next life gives it back.
func lifeEnds(f *fixture) {
	f.ok(f.store.BeginLife(f.ctx, 1, 1, start.Add(impressionTTL)))
	f.added(f.grant(1, 1, cap1, 100, 80), 80, 20)
	f.ok(f.store.BeginLife(f.ctx, 1, 2, start.Add(impressionTTL))) // it died, and starts again
	f.added(f.grant(1, 2, cap1, 100, 50), 20, 0)
	f.clock.Advance(1000 * time.Hour)
	f.post(start.Add(time.Hour), row(anis, 1, 1, 30)) // of the first life
	f.added(f.grant(2, 1, cap1, 100, 50), 0, 0)
	f.over(1, 1)
	f.ok(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1, Granted: nanos(30)}}))
	f.added(f.grant(1, 2, cap1, 100, 70), 50, 0) // 100 - 30 spent - 20 held by this life
	f.ok(f.store.CloseGeneration(f.ctx, 1, 2, start.Add(impressionTTL)))
	f.over(1, 2)
	if lives := must(f.store.Lives(f.ctx))(f); len(lives) != 3 || !lives[0].Over || !lives[1].Over || lives[1].Freed || lives[2].Over {
		f.Errorf("lives %+v", lives)
	}
}

// over checks that a life gets nothing any more.
func (f *fixture) over(node uint16, generation uint32) {
	f.Helper()
	_, err := f.store.GrantLeases(f.ctx, node, generation, []ledger.LeaseAsk{{Limit: cap1, Ceiling: nanos(1000), Want: nanos(1)}})
	f.fails(err, ledger.ErrLifeOver)
	f.fails(f.store.RenewLeases(f.ctx, node, generation, start), ledger.ErrLifeOver)
	f.fails(f.store.CloseGeneration(f.ctx, node, generation, start), ledger.ErrLifeOver)
	f.fails(f.store.BeginLife(f.ctx, node, generation, start), ledger.ErrLifeOver)
}

// freed: somebody found a node dead and frees what it held.
func freed(f *fixture) {
	f.grant(1, 1, cap1, 100, 50)
	f.ok(f.store.BeginLife(f.ctx, 1, 2, start))
	f.grant(1, 2, cap1, 100, 30)
	f.grant(2, 1, cap1, 100, 5)
	f.post(start, row(anis, 1, 1, 10))
	_, err := f.store.FreeLives(f.ctx, 1, 1) // there is a later one
	f.fails(err, ledger.ErrLifeOver)
	if n := must(f.store.FreeLives(f.ctx, 1, 2))(f); n != 2 {
		f.Errorf("%d leases freed, want 2", n)
	}
	f.over(1, 2)
	f.added(f.grant(2, 1, cap1, 100, 100), 85, 0) // 100 - 10 spent - 5
	f.ok(f.store.BeginLife(f.ctx, 1, 3, start))   // it comes back
	f.added(f.grant(1, 3, cap1, 120, 100), 20, 0)
	if lives := must(f.store.Lives(f.ctx))(f); len(lives) != 4 || !lives[1].Freed || lives[2].Freed {
		f.Errorf("lives %+v", lives)
	}
}

func returns(f *fixture) {
	f.grant(1, 1, cap1, 100, 80)
	f.post(start, row(anis, 1, 1, 30))
	back := func(n money.Nanos) error {
		return f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1, Granted: nanos(n)}})
	}
	for range 2 { // the answer was lost: it is said again
		f.ok(back(60))
	}
	f.ok(back(70))                                // late: it was lowered further already
	f.added(f.grant(2, 1, cap1, 100, 100), 40, 0) // 100 - 30 spent - 30 outstanding
	f.fails(back(29), ledger.ErrInvalid)
	f.fails(back(-1), ledger.ErrInvalid)
	f.ok(back(30))
	f.ok(f.store.ReturnLeases(f.ctx, 1, 9, []ledger.LeaseReturn{{Limit: cap1, Granted: nanos(1)}})) // nothing to lower
	f.fails(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1}, {Limit: cap1}}), ledger.ErrInvalid)
	f.added(f.grant(1, 1, cap1, 100, 100), 30, 0)
	if got := must(f.store.Leases(f.ctx, 1))(f); len(got) != 1 || got[0].Granted != nanos(60) || got[0].Spent != nanos(30) {
		f.Errorf("leases %+v", got)
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
		got := must(f.store.GrantLeases(f.ctx, 1, uint32(round+1), asks))(f)
		for i, g := range got {
			if g.Added != nanos(want) || g.Lease.Limit != asks[i].Limit {
				f.Fatalf("round %d, ask %d: %+v", round, i, g)
			}
		}
	}
	if got := must(f.store.Leases(f.ctx, 1))(f); len(got) != 2*n { // nothing is kept of a grant of nothing
		f.Errorf("%d leases, want %d", len(got), 2*n)
	}
}

func refusedAsks(f *fixture) {
	refused := func(asks ...ledger.LeaseAsk) {
		f.Helper()
		_, err := f.store.GrantLeases(f.ctx, 1, 1, asks)
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

// heartbeat: how far a stream is known to be posted never goes back.
func heartbeat(f *fixture) {
	f.ok(f.store.Heartbeat(f.ctx, stream, start.Add(time.Minute)))
	f.ok(f.store.Heartbeat(f.ctx, stream, start))
	if pos := must(f.store.Position(f.ctx, stream))(f); !pos.Through.Equal(start.Add(time.Minute)) {
		f.Errorf("through %v", pos.Through)
	}
	f.fails(f.store.Heartbeat(f.ctx, "", start), ledger.ErrInvalid)
}

// pruned: leases that are settled and done with do not gather; what may still be
// billed stays.
func pruned(f *fixture) {
	second := ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 2}
	prune := func(want int) {
		f.Helper()
		if n := must(f.store.PruneLeases(f.ctx))(f); n != want {
			f.Errorf("%d leases were pruned, want %d", n, want)
		}
	}
	f.grant(1, 1, cap1, 100, 60)
	f.grant(1, 1, second, 100, 60)
	f.post(start, row(anis, 1, 1, 60))
	prune(0) // the life goes on and may ask for more
	f.ok(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: cap1, Granted: nanos(60), Closed: true}, {Limit: second, Granted: nanos(7), Closed: true}}))
	prune(1)
	if g := f.grant(1, 1, second, 100, 10); g.Added.Sign() != 0 || g.Lease.Granted.Sign() != 0 { // closed, not settled
		f.Errorf("a closed lease goes on: %+v", g)
	}
	f.post(start, row(anis, 2, 2, 7))
	f.added(f.grant(1, 1, second, 100, 3), 3, 90) // settled: counted anew
	f.ok(f.store.ReturnLeases(f.ctx, 1, 1, []ledger.LeaseReturn{{Limit: second, Closed: true}}))
	prune(1)
	f.grant(1, 1, second, 100, 10)
	f.grant(1, 1, cap1, 100, 10)
	f.ok(f.store.BeginLife(f.ctx, 1, 2, start))
	prune(0) // not posted yet
	f.post(start, row(anis, 1, 3, 10))
	prune(1)
	f.post(start, row(anis, 2, 4, 10))
	prune(1)
	if lives := must(f.store.Lives(f.ctx))(f); len(lives) != 1 || lives[0].Generation != 2 {
		f.Errorf("lives %+v", lives)
	}
	f.post(start, row(anis, 1, 5, 5)) // too late for the lease, never for the books
	f.added(f.grant(1, 2, cap1, 100, 100), 25, 0)
}

// Leases is I1 as far as the store decides it: over a long random history of
// grants, bills, posts, crashes and expiries, what is billed (posted or not)
// never passes the limit.
func Leases(t *testing.T, open Open) {
	f := newFixture(t, open)
	rng := rand.New(rand.NewPCG(1, 12))
	const ceiling = 1_000
	type life struct {
		generation  uint32
		left        money.Nanos // granted and not billed
		ledgerKnows money.Nanos // granted in all
	}
	nodes := map[uint16]*life{1: {generation: 1}, 2: {generation: 1}, 3: {generation: 1}}
	past := map[uint16][]life{}
	var billed, posted money.Nanos
	var unposted []ledger.SpendRow
	giveBack := func(node uint16, l *life, amount money.Nanos) {
		l.left, l.ledgerKnows = l.left-amount, l.ledgerKnows-amount
		for range 1 + rng.IntN(2) {
			f.ok(f.store.ReturnLeases(f.ctx, node, l.generation, []ledger.LeaseReturn{{Limit: cap1, Granted: nanos(l.ledgerKnows)}}))
		}
	}
	for step := range 600 {
		node := uint16(1 + rng.IntN(3))
		n := nodes[node]
		switch rng.IntN(9) {
		case 0, 1: // ask
			g := f.grant(node, n.generation, cap1, ceiling, money.Nanos(rng.Int64N(60)))
			added, _ := g.Added.Nanos()
			n.left, n.ledgerKnows = n.left+added, n.ledgerKnows+added
		case 2, 3, 4: // bill
			if amount := money.Nanos(rng.Int64N(20)); amount > 0 && amount <= n.left {
				n.left -= amount
				billed += amount
				r := row(anis, 1, int64(step), amount)
				r.Node, r.Generation = node, n.generation
				unposted = append(unposted, r)
			}
		case 5: // post some, in order
			k := rng.IntN(len(unposted) + 1)
			for _, r := range unposted[:k] {
				amount, _ := r.Amount.Nanos()
				posted += amount
			}
			f.post(time.Time{}, unposted[:k]...)
			unposted = append([]ledger.SpendRow(nil), unposted[k:]...)
		case 6: // crash
			if rng.IntN(4) == 0 {
				past[node] = append(past[node], *n)
				*n = life{generation: n.generation + 1}
				f.ok(f.store.BeginLife(f.ctx, node, n.generation, start))
			}
		case 7:
			if n.left > 0 {
				giveBack(node, n, money.Nanos(rng.Int64N(int64(n.left)+1)))
			}
			must(f.store.PruneLeases(f.ctx))(f)
		case 8: // what earlier lives did not bill
			for i := range past[node] {
				giveBack(node, &past[node][i], past[node][i].left)
			}
			past[node] = nil
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
	must(f.store.GrantLeases(f.ctx, 1, 1, asks))(f)
	t.Log(fmt.Sprint(n, " leases granted in ", now().Sub(at)))
	f.post(start, rows...)
	at = now()
	f.post(start, rows...)
	return now().Sub(at)
}
