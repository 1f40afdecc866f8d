package pacing_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
)

const groups = 8 // ad groups of the stress test

var stressDays = [2]int32{20261231, 20270101}

// TestI1NoLimitIsEverPassed lets servers hold, commit, release and expire at
// once over chains that share limits, while a publisher grants, takes back and
// reads, and a watcher looks for a limit that is passed. At the end every nano
// is accounted for.
func TestI1NoLimitIsEverPassed(t *testing.T) {
	const servers = 6
	b := newBook(t)
	holds := must(pacing.NewHolds(pacing.HoldsConfig{Capacity: 256}))
	wallet, campaign := must(b.AddTotal()), must(b.AddDaily())
	days := stressDays
	var chains [groups]pacing.Chain
	ids := []pacing.LimitID{wallet, campaign}
	for i := range chains {
		own := must(b.AddDaily())
		chains[i] = pacing.Chain{pacing.AdGroupDay: own, pacing.CampaignDay: campaign, pacing.Wallet: wallet}
		ids = append(ids, own)
	}
	for _, id := range ids {
		for _, d := range days {
			b.Arm(id, d)
			b.Grant(id, d, 20_000)
		}
	}
	var billed [2][groups]atomic.Int64
	settle := func(e *pacing.Entry, price money.Nanos) {
		i := 0
		if e.Day == days[1] {
			i = 1
		}
		billed[i][e.AdGroup].Add(int64(b.Commit(&e.Chain, e.Day, e.Amount, price)))
	}
	stop := make(chan struct{})
	var work, watch sync.WaitGroup
	watch.Go(func() { // the publisher
		r := rand.New(rand.NewPCG(9, 9))
		for {
			select {
			case <-stop:
				return
			default:
			}
			id, d := ids[r.IntN(len(ids))], days[r.IntN(2)]
			b.Grant(id, d, money.Nanos(r.Int64N(40)))
			b.TakeBack(id, d, money.Nanos(r.Int64N(30)))
			if s, ok := b.Snapshot(id, d); !ok || s.Avail < 0 || s.Held < 0 || s.Billed.Cmp(s.Granted) > 0 {
				t.Errorf("limit %d passed: %+v", id, s)
				return
			}
		}
	})
	watch.Go(func() { // expiry
		for now := int64(0); ; now++ {
			select {
			case <-stop:
				return
			default:
				holds.Expire(now, 100, func(e *pacing.Entry) { b.Release(&e.Chain, e.Day, e.Amount) })
			}
		}
	})
	for seed := range uint64(servers) {
		work.Go(func() { serve(rand.New(rand.NewPCG(seed, 1)), b, holds, &chains, settle) })
	}
	work.Wait()
	close(stop)
	watch.Wait()
	holds.Expire(1<<40, 1<<20, func(e *pacing.Entry) { b.Release(&e.Chain, e.Day, e.Amount) })
	balance(t, b, holds, ids, days, &billed)
}

// serve holds, puts and confirms: some confirmations come twice, some late,
// some for another's serial.
func serve(r *rand.Rand, b *pacing.Book, holds *pacing.Holds, chains *[groups]pacing.Chain, settle func(*pacing.Entry, money.Nanos)) {
	for range 20_000 {
		g := r.IntN(groups)
		e := pacing.Entry{
			Chain: chains[g], AdGroup: uint64(g), Day: stressDays[r.IntN(2)],
			Amount: money.Nanos(r.Int64N(20)), Class: pacing.Class(r.IntN(2)),
		}
		if ok, _ := b.Hold(&e.Chain, e.Day, e.Amount); !ok {
			continue
		}
		serial, ok := holds.Put(&e, r.Int64N(1000))
		if !ok {
			b.Release(&e.Chain, e.Day, e.Amount)
			continue
		}
		for range r.IntN(3) {
			if got, ok := holds.Take(serial - r.Uint64N(4)); ok {
				settle(&got, money.Nanos(r.Int64N(25)))
			}
		}
	}
}

// balance checks, all quiet, that granted = avail + billed with nothing held,
// and that what was billed to the limits is what was billed to the events.
func balance(t *testing.T, b *pacing.Book, holds *pacing.Holds, ids []pacing.LimitID, days [2]int32, billed *[2][groups]atomic.Int64) {
	t.Helper()
	if s := holds.Stats(); s.Held != 0 || s.Taken == 0 || s.Expired == 0 {
		t.Errorf("holds %+v", s)
	}
	if s := b.Stats(); s.Misused != 0 {
		t.Errorf("book %+v", s)
	}
	var all int64
	for i, d := range days {
		var campaign int64
		for g := range billed[i] {
			n := billed[i][g].Load()
			campaign += n
			if s, _ := b.Snapshot(ids[2+g], d); s.Held != 0 || s.Billed != money.SumOf(money.Nanos(n)) {
				t.Errorf("ad group %d day %d: %+v, billed %d", g, d, s, n)
			}
		}
		if s, _ := b.Snapshot(ids[1], d); s.Held != 0 || s.Billed != money.SumOf(money.Nanos(campaign)) || s.Granted != s.Billed.AddNanos(s.Avail) {
			t.Errorf("campaign day %d: %+v, billed %d", d, s, campaign)
		}
		all += campaign
	}
	if s, _ := b.Snapshot(ids[0], 0); s.Held != 0 || s.Billed != money.SumOf(money.Nanos(all)) {
		t.Errorf("wallet: %+v, billed %d", s, all)
	}
}

// Everybody wants the last of a limit at the same moment, round after round.
func TestI1TheLastNanoIsSoldOnce(t *testing.T) {
	const bidders, rounds, left = 4, 3_000, 3
	b := newBook(t)
	chain := pacing.Chain{pacing.AdGroupTotal: must(b.AddTotal()), pacing.Wallet: must(b.AddTotal())}
	b.Grant(chain[pacing.AdGroupTotal], 0, rounds*left)
	for round := range rounds {
		s, _ := b.Snapshot(chain[pacing.Wallet], 0)
		b.Grant(chain[pacing.Wallet], 0, left-s.Avail)
		var sold atomic.Int64
		var ready atomic.Int32
		var wg sync.WaitGroup
		for range bidders {
			wg.Go(func() {
				for ready.Add(1); ready.Load() < bidders; {
					runtime.Gosched()
				}
				for range 2 {
					if ok, _ := b.Hold(&chain, 0, 1); ok {
						sold.Add(1)
					}
				}
			})
		}
		wg.Wait()
		s, _ = b.Snapshot(chain[pacing.Wallet], 0)
		if n := sold.Load(); n > left || int64(s.Held) != n || int64(s.Avail) != left-n {
			t.Fatalf("round %d: %d of %d sold, wallet %+v", round, n, left, s)
		}
		b.Commit(&chain, 0, s.Held, s.Held)
	}
}

func TestHoldsGiveEachHoldOnce(t *testing.T) {
	const putters, each = 4, 20_000
	h := must(pacing.NewHolds(pacing.HoldsConfig{Capacity: 64}))
	var out [putters * each]atomic.Int32
	var lost atomic.Int64
	var wg, expirer sync.WaitGroup
	done := make(chan struct{})
	count := func(e *pacing.Entry) { out[e.AdGroup].Add(1) }
	expirer.Go(func() {
		for now := int64(0); ; now++ {
			h.Expire(now, 16, count)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for p := range uint64(putters) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(p, 5))
			for i := range uint64(each) {
				e := pacing.Entry{AdGroup: p*each + i, Frequency: p*each + i + 1, Class: pacing.Class(r.IntN(2))}
				serial, ok := h.Put(&e, 0)
				if !ok {
					lost.Add(1)
					out[e.AdGroup].Add(1)
					continue
				}
				if r.IntN(3) == 0 {
					if f, ok := h.TakeFrequency(serial); ok && f != e.Frequency {
						t.Errorf("serial %d: frequency %d, want %d", serial, f, e.Frequency)
					}
				}
				if r.IntN(2) == 0 {
					if got, ok := h.Take(serial); ok {
						if got.AdGroup != e.AdGroup {
							t.Errorf("serial %d gave %d, want %d", serial, got.AdGroup, e.AdGroup)
						}
						count(&got)
					}
				}
			}
		})
	}
	wg.Wait()
	close(done)
	expirer.Wait()
	h.Expire(1, 1<<20, count)
	for i := range out {
		if n := out[i].Load(); n != 1 {
			t.Fatalf("hold %d came out %d times (%+v, %d refused)", i, n, h.Stats(), lost.Load())
		}
	}
}
