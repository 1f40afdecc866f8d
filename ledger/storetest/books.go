package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

func wallets(f *fixture) {
	_, err := f.store.Wallet(f.ctx, anis)
	f.fails(err, ledger.ErrNotFound)
	f.ok(f.store.OpenWallet(f.ctx, anis, "VND"))
	f.ok(f.store.OpenWallet(f.ctx, anis, "VND"))
	f.fails(f.store.OpenWallet(f.ctx, anis, sar), ledger.ErrConflict)
	f.fails(f.store.OpenWallet(f.ctx, 0, sar), ledger.ErrInvalid)
	f.fails(f.store.OpenWallet(f.ctx, badr, "XXX"), ledger.ErrInvalid)
	f.left(anis, money.Sum{})
	f.fund(badr, "1", unit)
	if all := must(f.store.Balances(f.ctx))(f); len(all) != 3 { // two wallets and cash
		f.Errorf("%d accounts, want 3", len(all))
	}
	if some := must(f.store.Balances(f.ctx, badr, 99))(f); len(some) != 1 || some[0].Owner != badr || some[0].Left() != unit.Sum() {
		f.Errorf("balances of badr: %+v", some)
	}
}

func topUp(f *fixture) {
	first := f.fund(anis, "r1", 100*unit)
	again, replayed, err := f.store.TopUp(f.ctx, ledger.TopUp{RequestID: "r1", Advertiser: anis, Currency: sar, Amount: 100 * unit, Note: "again"})
	f.ok(err)
	if !replayed || again != first {
		f.Errorf("the same request posted %+v, first %+v", again, first)
	}
	f.left(anis, (100 * unit).Sum())
	_, _, err = f.store.TopUp(f.ctx, ledger.TopUp{RequestID: "r1", Advertiser: anis, Currency: sar, Amount: 101 * unit})
	f.fails(err, ledger.ErrConflict)
	_, _, err = f.store.TopUp(f.ctx, ledger.TopUp{RequestID: "r2", Advertiser: anis, Currency: "USD", Amount: unit})
	f.fails(err, ledger.ErrConflict)
	f.fund(badr, "r1", 7*unit) // a request id is the advertiser's own
	f.left(badr, (7 * unit).Sum())
	for _, bad := range []ledger.TopUp{{RequestID: "x", Amount: -1}, {RequestID: "x", Amount: 0}, {Amount: 1},
		{RequestID: "x", Amount: ledger.MaxTopUp + 1}} {
		bad.Advertiser, bad.Currency = anis, sar
		_, _, err = f.store.TopUp(f.ctx, bad)
		f.fails(err, ledger.ErrInvalid)
	}
	f.left(anis, (100 * unit).Sum())
}

func transfers(f *fixture) {
	f.fund(anis, "1", 10*unit)
	refund := ledger.Transfer{Kind: ledger.Refunds, Key: "refund/1", Debit: ledger.WalletOf(anis, sar), Credit: ledger.HouseAccount(ledger.Cash, sar), Amount: (4 * unit).Sum()}
	for range 2 {
		_, _, err := f.store.Transfer(f.ctx, refund)
		f.ok(err)
	}
	f.left(anis, (6 * unit).Sum())
	refund.Key, refund.Amount = "refund/2", (7 * unit).Sum()
	_, _, err := f.store.Transfer(f.ctx, refund)
	f.fails(err, ledger.ErrConflict)
	gift := ledger.Transfer{Kind: ledger.Corrections, Key: "gift", Debit: ledger.HouseAccount(ledger.Adjustments, sar), Credit: ledger.WalletOf(anis, sar), Amount: nanos(1)}
	must2(f.store.Transfer(f.ctx, gift))(f)
	f.left(anis, (6 * unit).Sum().AddNanos(1))

	spoil := func(change func(*ledger.Transfer)) {
		f.Helper()
		t := gift
		t.Key = "bad"
		change(&t)
		_, _, err := f.store.Transfer(f.ctx, t)
		f.fails(err, ledger.ErrInvalid)
	}
	spoil(func(t *ledger.Transfer) { t.Kind = ledger.Spending })
	spoil(func(t *ledger.Transfer) { t.Amount = money.Sum{} })
	spoil(func(t *ledger.Transfer) { t.Credit.Currency = "USD" })
	spoil(func(t *ledger.Transfer) { t.Debit = t.Credit })
	spoil(func(t *ledger.Transfer) { t.Debit = ledger.WalletOf(badr, sar) })
	spoil(func(t *ledger.Transfer) { t.Debit.Owner = anis })
	spoil(func(t *ledger.Transfer) { t.Key = "" })
	f.left(anis, (6 * unit).Sum().AddNanos(1))
}

func must2[T any](v T, _ bool, err error) func(*fixture) T { return must(v, err) }

func spend(f *fixture) {
	f.fund(anis, "1", 10*unit)
	p := f.post(start, row(anis, 1, 100, 5), row(anis, 1, 100, 6), row(anis, 1, 101, 7), row(badr, 2, 100, 9), row(anis, 1, 100, 0))
	if p.Pairs != 3 || p.Amount != nanos(27) || p.Replayed {
		f.Errorf("posted %+v", p)
	}
	f.left(anis, (10 * unit).Sum().AddNanos(-18))
	t := f.balanced()
	if t.Transfers != 4 || len(t.Overdrawn) != 1 || t.Overdrawn[0].Owner != badr {
		f.Errorf("the trial says %+v", t)
	}
	if len(t.Currencies) != 1 || t.Currencies[0].Debits != t.Currencies[0].Credits || t.Currencies[0].Debits.Sign() <= 0 {
		f.Errorf("currencies %+v", t.Currencies)
	}
	pos := must(f.store.Position(f.ctx, stream))(f)
	if pos.Seq != 5 || !pos.Through.Equal(start) {
		f.Errorf("position %+v", pos)
	}
	if pos := must(f.store.Position(f.ctx, "other"))(f); pos != (ledger.Position{}) {
		f.Errorf("a new stream is at %+v", pos)
	}
}

func spendByLimit(f *fixture) {
	r := row(anis, 2, 86_400, 3)
	r.Day, r.Count = tomorrow, 4
	f.post(start, row(anis, 1, 100, 5), row(anis, 2, 100, 6), r)
	want := []ledger.LimitSpend{
		{Limit: ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(anis)}, Spent: nanos(14), Count: 6},
		{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: 2, Day: today}, Spent: nanos(6), Count: 1},
		{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: 2, Day: tomorrow}, Spent: nanos(3), Count: 4},
		{Limit: ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 2}, Spent: nanos(9), Count: 5},
		{Limit: ledger.Limit{Kind: ledger.CampaignDay, Owner: 1100, Day: today}, Spent: nanos(11), Count: 2},
		{Limit: ledger.Limit{Kind: ledger.CampaignLifetime, Owner: 1100}, Spent: nanos(14), Count: 6},
		{Limit: ledger.Limit{Kind: ledger.AdvertiserCap, Owner: int64(anis)}, Spent: nanos(14), Count: 6},
		{Limit: ledger.Limit{Kind: ledger.AdGroupLifetime, Owner: 77}},
	}
	var limits []ledger.Limit
	for _, w := range want {
		limits = append(limits, w.Limit)
	}
	got := must(f.store.Spend(f.ctx, ledger.SpendQuery{Limits: limits}))(f)
	for i := range want {
		if got[i] != want[i] {
			f.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	count := func(want int, q ledger.SpendQuery) {
		f.Helper()
		if got := must(f.store.Spend(f.ctx, q))(f); len(got) != want {
			f.Errorf("%d totals, want %d: %+v", len(got), want, got)
		}
	}
	count(10, ledger.SpendQuery{})
	count(7, ledger.SpendQuery{FromDay: tomorrow})
	count(3, ledger.SpendQuery{Kinds: []ledger.LimitKind{ledger.AdGroupDay}})
}

// sameSecond: entries are immutable, a later batch adds a pair of its own.
func sameSecond(f *fixture) {
	f.fund(anis, "1", unit)
	one := f.post(start, row(anis, 1, 100, 5))
	two := f.post(start, row(anis, 1, 100, 6))
	h := must(f.store.History(f.ctx, anis, ledger.HistoryQuery{Kinds: []ledger.TransferKind{ledger.Spending}}))(f)
	if h.Total != 2 || h.List[0].Amount != nanos(6) || h.List[1].Amount != nanos(5) || h.List[0].Batch != two.Batch || h.List[1].Batch != one.Batch {
		f.Errorf("history %+v", h)
	}
	f.left(anis, unit.Sum().AddNanos(-11))
}

func replay(f *fixture) {
	f.fund(anis, "1", unit)
	b := ledger.SpendBatch{Stream: stream, FirstSeq: 1, LastSeq: 3, Rows: []ledger.SpendRow{row(anis, 1, 100, 5)}}
	must(f.store.PostSpend(f.ctx, b))(f)
	for range 3 {
		if p := must(f.store.PostSpend(f.ctx, b))(f); !p.Replayed || p.Pairs != 0 {
			f.Errorf("posted again: %+v", p)
		}
	}
	b.FirstSeq, b.LastSeq = 2, 3 // part of one is replayed too
	if p := must(f.store.PostSpend(f.ctx, b))(f); !p.Replayed {
		f.Errorf("posted again: %+v", p)
	}
	f.reopen()
	if p := must(f.store.PostSpend(f.ctx, b))(f); !p.Replayed {
		f.Errorf("posted again after a restart: %+v", p)
	}
	f.left(anis, unit.Sum().AddNanos(-5))
}

func gaps(f *fixture) {
	b := ledger.SpendBatch{Stream: stream, FirstSeq: 1, LastSeq: 10}
	must(f.store.PostSpend(f.ctx, b))(f)
	refused := func(first, last uint64) {
		f.Helper()
		b := ledger.SpendBatch{Stream: stream, FirstSeq: first, LastSeq: last, Rows: []ledger.SpendRow{row(anis, 1, 1, 1)}}
		_, err := f.store.PostSpend(f.ctx, b)
		f.fails(err, ledger.ErrSequence)
		var s *ledger.SequenceError
		if !errors.As(err, &s) || s.Position != 10 || s.First != first || s.Last != last {
			f.Errorf("the error says %v", err)
		}
	}
	refused(12, 15)
	refused(10, 11)
	refused(1, 11)
	if pos := must(f.store.Position(f.ctx, stream))(f); pos.Seq != 10 {
		f.Errorf("position %d", pos.Seq)
	}
	must(f.store.PostSpend(f.ctx, ledger.SpendBatch{Stream: "other", FirstSeq: 1, LastSeq: 2}))(f)
	if t := f.balanced(); t.Transfers != 0 {
		f.Errorf("%d transfers", t.Transfers)
	}
}

func refusedBatches(f *fixture) {
	f.fund(anis, "1", unit)
	f.ok(f.store.OpenWallet(f.ctx, badr, "USD"))
	refused := func(kind error, change func(*ledger.SpendBatch)) {
		f.Helper()
		b := ledger.SpendBatch{Stream: stream, FirstSeq: 1, LastSeq: 2, Rows: []ledger.SpendRow{row(anis, 1, 1, 1), row(anis, 1, 2, 1)}}
		change(&b)
		_, err := f.store.PostSpend(f.ctx, b)
		f.fails(err, kind)
	}
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.Stream = "" })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.FirstSeq = 0 })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.FirstSeq = 3 })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.LastSeq = 1 << 63 })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.Rows[1].Amount = nanos(-1) })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.Rows[1].Day = 0 })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.Rows[1].AdGroup = 0 })
	refused(ledger.ErrConflict, func(b *ledger.SpendBatch) { b.Rows[1].Currency = "USD" })
	refused(ledger.ErrConflict, func(b *ledger.SpendBatch) { b.Rows[1].Advertiser = badr })
	refused(ledger.ErrInvalid, func(b *ledger.SpendBatch) { b.Rows[1] = row(99, 1, 1, 1); b.Rows[1].Currency = "???" })
	f.left(anis, unit.Sum())
	if pos := must(f.store.Position(f.ctx, stream))(f); pos.Seq != 0 {
		f.Errorf("a refused batch moved the position to %d", pos.Seq)
	}
}

func history(f *fixture) {
	for i := range 15 {
		f.fund(anis, fmt.Sprint(i), unit*money.Micros(i+1))
		f.clock.Advance(time.Minute)
	}
	f.fund(badr, "1", unit)
	f.post(start, row(anis, 1, 100, 5))
	get := func(q ledger.HistoryQuery) ledger.History { return must(f.store.History(f.ctx, anis, q))(f) }
	if h := get(ledger.HistoryQuery{}); h.Total != 16 || len(h.List) != 10 || h.List[0].Kind != ledger.Spending || h.List[0].AdGroup != 1 {
		f.Errorf("first page %+v", h)
	}
	if h := get(ledger.HistoryQuery{Page: 2}); len(h.List) != 6 || h.List[5].Amount != unit.Sum() || h.List[5].Credit != ledger.WalletOf(anis, sar) {
		f.Errorf("second page %+v", h)
	}
	if h := get(ledger.HistoryQuery{From: start.Add(3 * time.Minute), To: start.Add(5 * time.Minute)}); h.Total != 2 {
		f.Errorf("two minutes have %d", h.Total)
	}
	if h := get(ledger.HistoryQuery{Kinds: []ledger.TransferKind{ledger.TopUps}, PageSize: 1000}); h.Total != 15 {
		f.Errorf("%d top-ups", h.Total)
	}
	_, err := f.store.History(f.ctx, anis, ledger.HistoryQuery{PageSize: ledger.MaxPageSize + 1})
	f.fails(err, ledger.ErrInvalid)
	_, err = f.store.History(f.ctx, anis, ledger.HistoryQuery{Page: -1})
	f.fails(err, ledger.ErrInvalid)
}

// wide: amounts beyond int64 nanos, which end at 9.2 billion dong.
func wide(f *fixture) {
	for i := range 30 {
		_, _, err := f.store.TopUp(f.ctx, ledger.TopUp{RequestID: fmt.Sprint(i), Advertiser: anis, Currency: "VND", Amount: ledger.MaxTopUp})
		f.ok(err)
	}
	r := row(anis, 1, 1, 0)
	r.Currency = "VND"
	r.Amount = ledger.MaxTopUp.Sum().Mul(29).AddNanos(1)
	f.post(start, r)
	f.left(anis, ledger.MaxTopUp.Sum().AddNanos(-1))
	got := must(f.store.Spend(f.ctx, ledger.SpendQuery{Kinds: []ledger.LimitKind{ledger.WalletLimit}}))(f)
	if len(got) != 1 || got[0].Spent.String() != "29000000000000.000000001" {
		f.Errorf("spent %+v", got)
	}
	limit := ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(anis)}
	g := must(f.store.GrantLeases(f.ctx, 1, 1, []ledger.LeaseAsk{{Limit: limit, Want: ledger.MaxTopUp.Sum().Mul(5)}}))(f)
	if g[0].Added != ledger.MaxTopUp.Sum().AddNanos(-1) {
		f.Errorf("granted %s", g[0].Added)
	}
}

func (f *fixture) reopen() {
	f.close()
	f.store, f.close = f.open(f, f.setup)
}

func reopen(f *fixture) {
	f.fund(anis, "1", unit)
	f.post(start, row(anis, 1, 100, 5))
	must(f.store.GrantLeases(f.ctx, 1, 1, []ledger.LeaseAsk{{Limit: ledger.Limit{Kind: ledger.WalletLimit, Owner: int64(anis)}, Want: nanos(50)}}))(f)
	f.reopen()
	f.left(anis, unit.Sum().AddNanos(-5))
	if leases := must(f.store.Leases(f.ctx, 1))(f); len(leases) != 1 || leases[0].Granted != nanos(50) {
		f.Errorf("leases %+v", leases)
	}
	f.post(start, row(anis, 1, 100, 5))
	f.left(anis, unit.Sum().AddNanos(-10))
}

// parallel: top-ups and spend at the same time lose nothing.
func parallel(f *fixture) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				if _, _, err := f.store.TopUp(f.ctx, ledger.TopUp{RequestID: fmt.Sprint(w, "/", i), Advertiser: anis, Currency: sar, Amount: unit}); err != nil {
					f.Error(err)
				}
			}
		})
		wg.Go(func() {
			for i := range uint64(25) {
				b := ledger.SpendBatch{Stream: fmt.Sprint("stream ", w), FirstSeq: i + 1, LastSeq: i + 1, Rows: []ledger.SpendRow{row(anis, 1, 1, 1)}}
				if _, err := f.store.PostSpend(f.ctx, b); err != nil {
					f.Error(err)
				}
			}
		})
	}
	wg.Wait()
	f.left(anis, (100 * unit).Sum().AddNanos(-100))
}

// Books is I12: whatever happens, in whatever order, every entry balances.
func Books(t *testing.T, open Open) {
	f := newFixture(t, open)
	rng := rand.New(rand.NewPCG(12, 1))
	model := map[id.Advertiser]money.Sum{}
	for step := range 300 {
		adv := id.Advertiser(1 + rng.IntN(4))
		switch rng.IntN(4) {
		case 0:
			amount := money.Micros(1 + rng.Int64N(int64(ledger.MaxTopUp)))
			f.fund(adv, fmt.Sprint(step), amount)
			model[adv] = model[adv].Add(amount.Sum())
		case 1:
			amount := money.SumOf(money.Nanos(1 + rng.Int64N(1e15)))
			_, _, err := f.store.Transfer(f.ctx, ledger.Transfer{Kind: ledger.Refunds, Key: fmt.Sprint("refund/", step), Amount: amount,
				Debit: ledger.WalletOf(adv, sar), Credit: ledger.HouseAccount(ledger.Cash, sar)})
			if left := model[adv].Sub(amount); left.Sign() >= 0 {
				f.ok(err)
				model[adv] = left
			} else {
				f.fails(err, ledger.ErrConflict)
			}
		default:
			var rows []ledger.SpendRow
			for range 1 + rng.IntN(20) {
				r := row(id.Advertiser(1+rng.IntN(4)), id.AdGroup(1+rng.IntN(5)), rng.Int64N(3), money.Nanos(rng.Int64N(1e12)))
				model[r.Advertiser] = model[r.Advertiser].Sub(r.Amount)
				rows = append(rows, r)
			}
			f.post(start, rows...)
		}
		if step%50 == 49 {
			f.balanced()
		}
	}
	for adv, want := range model {
		f.left(adv, want)
	}
}
