package serving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

func (t *Treasurer) grant(ctx context.Context, ms int64, asks []ledger.LeaseAsk, to []asked) error {
	for len(asks) > 0 {
		n := min(len(asks), ledger.MaxLeases)
		grants, err := t.cfg.Leases.GrantLeases(ctx, t.cfg.Node, t.cfg.Generation, asks[:n])
		if err != nil {
			for _, a := range to {
				t.again = append(t.again, a.limit)
			}
			if errors.Is(err, ledger.ErrLifeOver) {
				t.over.Store(true)
			}
			return err
		}
		for i := range grants {
			t.take(&grants[i], to[i], ms)
		}
		asks, to = asks[n:], to[n:]
	}
	return nil
}

// take puts a grant into the Book.
func (t *Treasurer) take(g *ledger.Grant, to asked, ms int64) {
	l, d := to.limit, to.day
	d.left, d.known = g.Left, true
	d.others, d.readMS = g.Spend.Sub(g.Lease.Spent), ms
	if l.key.kind == ledger.WalletLimit {
		l.ceiling = g.Ceiling
	}
	if added := t.settle(g, l, d); added > 0 {
		took := t.book.Grant(l.id, d.day, added)
		d.leased = d.leased.AddNanos(took)
		if took < added { // the day was closed meanwhile
			t.queue(t.cfg.Generation, l.limit(d.day), &d.account)
		}
		t.stats.Granted.Add(1)
	}
	if g.Left.Sign() > 0 {
		return
	}
	retry := retryShared
	switch {
	case l.key.kind == ledger.WalletLimit:
		retry = retryWallet
	case g.Spend.Cmp(g.Ceiling) >= 0:
		retry = retrySpent
	}
	d.askAfter = ms + retry.Milliseconds()
	if !d.hungry {
		d.hungry = true
		t.hungry = append(t.hungry, to)
	}
}

// settle compares the store's account of the lease with ours and returns how
// much may be held more. Both count from the beginning of this life, so money of
// an answer that never arrived is simply in the difference; not so while we wait
// to give something back, which is in the difference too.
func (t *Treasurer) settle(g *ledger.Grant, l *limit, d *limitDay) money.Nanos {
	gap := g.Lease.Granted.Sub(d.leased)
	if d.queued && gap.Cmp(g.Added) > 0 {
		gap = g.Added
	}
	if open := g.Lease.Outstanding(); gap.Cmp(open) > 0 {
		gap = open
	}
	if gap.Sign() < 0 { // the store has been set back: what is not held of it is not ours
		t.stats.Voided.Add(1)
		t.book.TakeBack(l.id, d.day, money.MaxNanos)
		d.leased = g.Lease.Granted
		return 0
	}
	return gap.Clamp()
}

// takeBack takes what can be spent of a limit out of the Book, to be given back.
func (t *Treasurer) takeBack(l *limit, d *limitDay, closed bool) {
	took := t.book.TakeBack(l.id, d.day, money.MaxNanos)
	d.leased = d.leased.AddNanos(-took)
	if took > 0 || closed && d.leased.Sign() > 0 {
		d.closed = closed
		t.queue(t.cfg.Generation, l.limit(d.day), &d.account)
	}
}

// returning is an account that the store is to be told of.
type returning struct {
	generation uint32
	limit      ledger.Limit
	account    *account
}

func (t *Treasurer) queue(generation uint32, l ledger.Limit, a *account) {
	if !a.queued {
		a.queued = true
		t.back = append(t.back, returning{generation, l, a})
	}
}

// returnPage bounds one call, returnPages one tick.
const (
	returnPage  = 5_000
	returnPages = 8
)

// giveBack tells the store what was taken out of the Book. It says what the lease
// is now, not what it was lowered by, so it can be said again when the answer
// was lost.
func (t *Treasurer) giveBack(ctx context.Context, limit int) error {
	for pages := 0; len(t.back) > 0 && pages < limit; pages++ {
		n := 0
		for n < min(len(t.back), returnPage) && t.back[n].generation == t.back[0].generation {
			n++
		}
		page := make([]ledger.LeaseReturn, n)
		for i, b := range t.back[:n] {
			page[i] = ledger.LeaseReturn{Limit: b.limit, Granted: b.account.leased, Closed: b.account.closed}
		}
		err := t.cfg.Leases.ReturnLeases(ctx, t.cfg.Node, t.back[0].generation, page)
		if errors.Is(err, ledger.ErrInvalid) || errors.Is(err, ledger.ErrNotFound) {
			t.stats.Voided.Add(1) // a mistake: it is not said again for ever
		} else if err != nil {
			return fmt.Errorf("return leases: %w", err)
		}
		for _, b := range t.back[:n] {
			b.account.queued, b.account.closed = false, false
		}
		t.back = t.back[n:]
	}
	if len(t.back) == 0 {
		t.back = nil
	}
	return nil
}

// ask decides how much more of a limit to fetch.
func (t *Treasurer) ask(l *limit, d *limitDay, ms int64) (ledger.LeaseAsk, bool) {
	totals, ok := t.book.Snapshot(l.id, d.day)
	if !ok {
		return ledger.LeaseAsk{}, false
	}
	if passed := ms - d.lookedMS; passed > 0 {
		delta := max(totals.Billed.Sub(d.billed).Clamp(), 0)
		rate := money.SumOf(delta).Mul(1000)
		now, _ := rate.DivMod(uint64(passed))
		weight := money.Nanos(min(passed, rateOver.Milliseconds()))
		d.perSecond += (now.Clamp() - d.perSecond) / money.Nanos(rateOver.Milliseconds()) * weight
		d.perSecond = max(d.perSecond, 0)
		d.billed, d.lookedMS = totals.Billed, ms
	}
	if ms < d.askAfter {
		return ledger.LeaseAsk{}, false
	}
	want := t.want(l, d, &totals)
	if want <= 0 && t.nodes.Load() > 1 && l.paced && ms-d.readMS > readOthersEvery.Milliseconds() {
		want = 0 // only what the others spent
	} else if want <= 0 {
		return ledger.LeaseAsk{}, false
	}
	return ledger.LeaseAsk{Limit: l.limit(d.day), Ceiling: l.ceiling, Want: money.SumOf(want)}, true
}

// rateOver is the time over which the rate of spending is smoothed.
const rateOver = 1600 * time.Millisecond

func (t *Treasurer) want(l *limit, d *limitDay, totals *pacing.Totals) money.Nanos {
	if l.key.kind == ledger.WalletLimit && !d.known {
		return firstSlice
	}
	left := d.left
	if !d.known {
		left = l.ceiling
	}
	leaser := t.cfg.Leaser
	leaser.Nodes = t.nodes.Load()
	want := leaser.Grant(&pacing.Position{
		Limit: l.ceiling, Spent: l.ceiling.Sub(left), Avail: totals.Avail, PerSecond: d.perSecond,
	})
	if totals.Avail < l.least {
		want = max(want, 2*l.least-totals.Avail)
	}
	if want == 0 && totals.Avail == 0 && d.known {
		want = max(l.least, 1) // nothing left by the last answer: ask whether that has changed
	}
	return want
}

// refill fetches more of a chain at once, while a beacon waits: a click that is
// dearer than what happens to be leased is not given away while there is
// budget. It ends with ctx: a redirect does not wait for the store.
func (t *Treasurer) refill(ctx context.Context, chain *pacing.Chain, date int32, price money.Nanos) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !t.mu.lockUntil(ctx) {
		return false
	}
	defer t.mu.Unlock()
	ms := t.steady.ms()
	var asks []ledger.LeaseAsk
	var to []asked
	for _, id := range chain {
		l := t.byID[id]
		if l == nil {
			continue
		}
		d := l.at(l.on(date))
		totals, ok := t.book.Snapshot(l.id, d.day)
		if !ok {
			return false
		}
		if totals.Avail >= price {
			continue
		}
		if d.known && d.left.Sign() <= 0 && ms < d.askAfter {
			return false
		}
		asks = append(asks, ledger.LeaseAsk{Limit: l.limit(d.day), Ceiling: l.ceiling, Want: money.SumOf(price + l.least)})
		to = append(to, asked{l, d})
	}
	if len(asks) == 0 {
		return true // somebody gave something back meanwhile
	}
	t.stats.Refills.Add(1)
	return t.grant(ctx, ms, asks, to) == nil
}
