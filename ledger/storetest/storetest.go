// Package storetest is what every ledger.Store must do, as tests that a store
// runs against itself.
//
// Contract: Run covers every method. Books is I12 and Leases is I1 as far as
// the store decides it: long random histories, checked after every step.
//
// Concurrency: the tests of one store run one after the other, each on a store
// of its own.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// Setup is what a store is opened with.
type Setup struct {
	Dir   string // the same directory again is the same data
	Clock clock.Clock
}

// Open opens a store; it must close it when close is called, at the latest at
// the end of the test.
type Open func(t testing.TB, s Setup) (store ledger.Store, close func())

var start = time.Date(2026, 2, 11, 9, 30, 0, 0, time.UTC)

const (
	unit          money.Micros  = 1_000_000
	anis          id.Advertiser = 11
	badr          id.Advertiser = 12
	stream                      = "money"
	today         int32         = 20260211
	tomorrow      int32         = 20260212
	sar                         = money.Currency("SAR")
	impressionTTL               = 30 * time.Minute
)

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*fixture){
		"wallets":              wallets,
		"top-up":               topUp,
		"transfers":            transfers,
		"spend":                spend,
		"spend by limit":       spendByLimit,
		"same second again":    sameSecond,
		"replay":               replay,
		"gaps and overlaps":    gaps,
		"refused batches":      refusedBatches,
		"history":              history,
		"128 bits":             wide,
		"reopen":               reopen,
		"grants":               grants,
		"daily limits":         dailyLimits,
		"wallet lease":         walletLease,
		"a life ends":          lifeEnds,
		"returns":              returns,
		"weekly limits":        weeklyLimits,
		"freed":                freed,
		"refund under leases":  refundUnderLeases,
		"parallel":             parallel,
		"many leases":          manyLeases,
		"refused lease asks":   refusedAsks,
		"heartbeat":            heartbeat,
		"pruned lease is gone": pruned,
	} {
		t.Run(name, func(t *testing.T) { test(newFixture(t, open)) })
	}
}

type fixture struct {
	*testing.T
	ctx   context.Context
	open  Open
	setup Setup
	clock *clock.Fake
	store ledger.Store
	close func()
	seq   uint64 // the last one posted to stream
}

func newFixture(t *testing.T, open Open) *fixture {
	f := &fixture{T: t, ctx: context.Background(), open: open, clock: clock.NewFake(start)}
	f.setup = Setup{Dir: t.TempDir(), Clock: f.clock}
	f.store, f.close = open(t, f.setup)
	return f
}

func must[T any](v T, err error) func(*fixture) T {
	return func(f *fixture) T {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
		return v
	}
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) fails(err, kind error) {
	f.Helper()
	if !errors.Is(err, kind) {
		f.Fatalf("got %v, want one that is %q", err, kind)
	}
}

// fund tops up a wallet.
func (f *fixture) fund(adv id.Advertiser, request string, amount money.Micros) ledger.Transfer {
	f.Helper()
	t, _, err := f.store.TopUp(f.ctx, ledger.TopUp{RequestID: request, Advertiser: adv, Currency: sar, Amount: amount})
	f.ok(err)
	return t
}

// Row is spend of the first life of node 1.
func Row(adv id.Advertiser, group id.AdGroup, second int64, amount money.Nanos) ledger.SpendRow {
	return row(adv, group, second, amount)
}

func row(adv id.Advertiser, group id.AdGroup, second int64, amount money.Nanos) ledger.SpendRow {
	return ledger.SpendRow{Advertiser: adv, Campaign: id.Campaign(adv) * 100, AdGroup: group, Currency: sar, Second: second, Day: today,
		Node: 1, Generation: 1, Amount: money.SumOf(amount), Count: 1}
}

// post posts rows as the next batch of one sequence each.
func (f *fixture) post(through time.Time, rows ...ledger.SpendRow) ledger.Posted {
	f.Helper()
	n := uint64(max(len(rows), 1))
	b := ledger.SpendBatch{Stream: stream, FirstSeq: f.seq + 1, LastSeq: f.seq + n, Through: through, Rows: rows}
	p := must(f.store.PostSpend(f.ctx, b))(f)
	f.seq += n
	return p
}

// left checks a wallet and that the books balance.
func (f *fixture) left(adv id.Advertiser, want money.Sum) {
	f.Helper()
	if got := must(f.store.Wallet(f.ctx, adv))(f).Left(); got != want {
		f.Errorf("advertiser %d has %s left, want %s", adv, got, want)
	}
	f.balanced()
}

func (f *fixture) balanced() ledger.Trial {
	f.Helper()
	t := must(f.store.Trial(f.ctx))(f)
	for _, p := range t.Problems {
		f.Error(p)
	}
	return t
}

func nanos(n money.Nanos) money.Sum { return money.SumOf(n) }
