package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// Processes is what a store must do that several processes have open at the
// same time: money moves once, and together they are granted no more than there
// is (I1).
func Processes(t *testing.T, open Open) {
	for name, test := range map[string]func(*fixture, ledger.Store){
		"leases of both":  leasesOfBoth,
		"batches of both": batchesOfBoth,
		"one top-up":      oneTopUp,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, open)
			other, _ := open(t, f.setup)
			test(f, other)
		})
	}
}

// leasesOfBoth: two nodes ask for the same limits, bill what they were granted
// and post it in streams of their own, all at once. The oracle counts by itself.
func leasesOfBoth(f *fixture, other ledger.Store) {
	const ceiling, limits, rounds = 200, 40, 30
	var wg sync.WaitGroup
	var mu sync.Mutex
	billed := [limits]money.Nanos{}
	for n, store := range []ledger.Store{f.store, other} {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			node, seq := uint16(n+1), uint64(0)
			var rows []ledger.SpendRow
			for round := range rounds {
				asks := make([]ledger.LeaseAsk, limits)
				for i := range asks {
					asks[i] = ledger.LeaseAsk{Limit: ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(i + 1), Day: today}, Ceiling: nanos(ceiling), Want: nanos(money.Nanos(rng.Int64N(40)))}
				}
				grants, err := store.GrantLeases(f.ctx, node, 1, asks)
				if err != nil {
					f.Error(err)
					return
				}
				for i, g := range grants {
					added, _ := g.Added.Nanos()
					mu.Lock()
					if billed[i] += added; billed[i] > ceiling {
						f.Errorf("limit %d: %d was granted of %d", i+1, billed[i], ceiling)
					}
					mu.Unlock()
					if added > 0 { // all of it is billed
						r := row(anis, id.AdGroup(i+1), int64(seq), added)
						r.Node = node
						rows = append(rows, r)
					}
				}
				if round%5 != 4 { // a post would make the two take turns
					continue
				}
				b := ledger.SpendBatch{Stream: fmt.Sprint("money ", node), FirstSeq: seq + 1, LastSeq: seq + 1, Rows: rows}
				seq, rows = seq+1, nil
				if _, err := store.PostSpend(f.ctx, b); err != nil {
					f.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, n := range billed {
		got := must(f.store.Spend(f.ctx, ledger.SpendQuery{Limits: []ledger.Limit{{Kind: ledger.AdGroupDay, Owner: int64(i + 1), Day: today}}}))(f)
		if n != ceiling || got[0].Spent != nanos(n) {
			f.Errorf("limit %d: %d was granted of %d, %s is posted", i+1, n, ceiling, got[0].Spent)
		}
	}
	f.balanced()
}

// batchesOfBoth: two consumers of one stream, as when an old process is slow to
// die. Every batch is booked once, whoever comes first.
func batchesOfBoth(f *fixture, other ledger.Store) {
	const batches = 40
	var wg sync.WaitGroup
	var mu sync.Mutex
	booked := 0
	for _, store := range []ledger.Store{f.store, other} {
		wg.Go(func() {
			for i := range uint64(batches) {
				p, err := store.PostSpend(f.ctx, ledger.SpendBatch{Stream: stream, FirstSeq: i + 1, LastSeq: i + 1, Rows: []ledger.SpendRow{row(anis, 1, int64(i), 7)}})
				mu.Lock()
				if err != nil {
					f.Error(err)
				} else if !p.Replayed {
					booked++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if booked != batches {
		f.Errorf("%d batches were booked, want %d", booked, batches)
	}
	f.fund(anis, "later", unit)
	f.left(anis, unit.Sum().AddNanos(-7*batches))
}

// oneTopUp: a request that a client sends to both funds once.
func oneTopUp(f *fixture, other ledger.Store) {
	for round := range 10 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		first := 0
		for i := range 4 {
			wg.Go(func() {
				_, replayed, err := []ledger.Store{f.store, other}[i%2].TopUp(f.ctx, ledger.TopUp{RequestID: fmt.Sprint(round), Advertiser: anis, Currency: sar, Amount: unit})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					f.Error(err)
				} else if !replayed {
					first++
				}
			})
		}
		wg.Wait()
		if first != 1 {
			f.Errorf("round %d: %d top-ups, want 1", round, first)
		}
	}
	f.left(anis, (10 * unit).Sum())
}
