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

// schedule is when the slower parts of Tick run next.
type schedule struct {
	pace   time.Time
	renew  time.Time
	delays time.Time
	last   time.Time // of the previous tick, for rates
	ticks  uint64
}

// Intervals of Tick. Leases are looked at on every call; a lease outlives many
// missed renewals.
const (
	paceEvery   = time.Second
	renewEvery  = time.Minute
	delaysEvery = 10 * time.Second
	retryWallet = time.Second      // before asking again for a wallet that has nothing left: it may have been topped up
	retryEmpty  = 10 * time.Second // before asking again for another limit: edits ask at once
	forgetTicks = 50               // ticks in which what a dry ad group needs is halved
	armAhead    = 2 * time.Minute
	firstSlice  = 100_000_000_000 // nanos asked of a wallet whose size is not known yet: 100 units
	minPaceStep = money.PPB(1000) // a multiplier of 0 is for an empty budget only
)

// Tick fetches leases that run low, rolls days, moves the pacing multipliers and
// readmits ad groups that ran dry. Call it about five times a second, off the
// request path. An error of the store leaves everything as it is: what is leased
// can be spent, no more.
func (t *Treasurer) Tick(ctx context.Context, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clockBack(now)
	err := t.giveBack(ctx)
	if err == nil {
		err = t.fetch(ctx, now)
	}
	t.readmit(now)
	if !now.Before(t.due.pace) {
		t.due.pace = now.Add(paceEvery)
		t.pace(now)
	}
	if !now.Before(t.due.delays) {
		t.due.delays = now.Add(delaysEvery)
		t.measureDelays()
	}
	if err == nil && !now.Before(t.due.renew) {
		if err = t.cfg.Leases.RenewLeases(ctx, t.cfg.Node, t.cfg.Generation, now.Add(leaseLifetime)); err == nil {
			t.due.renew = now.Add(renewEvery)
		}
	}
	if err != nil {
		t.stats.AskErrors.Add(1)
		return fmt.Errorf("leases: %w", err)
	}
	return nil
}

// clockBack forgets what was put off to a time that a clock set back would make
// far away.
func (t *Treasurer) clockBack(now time.Time) {
	if !now.Before(t.due.last) {
		return
	}
	t.due.pace, t.due.renew, t.due.delays = time.Time{}, time.Time{}, time.Time{}
	for _, l := range t.order {
		for _, d := range l.days {
			d.askAfter = time.Time{}
		}
	}
}

// readmit lets the ad groups that ran dry compete again when the hold that was
// refused would fit now. What it was is forgotten by and by, because prices come
// down too: the rest of a budget buys a cheaper slot.
func (t *Treasurer) readmit(now time.Time) {
	t.due.ticks++
	t.ticks.Add(1)
	days := map[*time.Location]int32{}
	for _, g := range *t.groups.Load() {
		if g.dry.Load() == 0 {
			continue
		}
		need := g.need.Load()
		if (uint64(g.index)+t.due.ticks)%forgetTicks == 0 {
			need /= 2
			g.need.Store(need)
		}
		day, ok := days[g.zone]
		if !ok {
			day = pacing.DayKey(now, g.zone)
			days[g.zone] = day
		}
		if chain := g.chain.Load(); chain != nil && t.book.Fits(chain, day, money.Nanos(max(need, 1))) {
			g.dry.Store(0)
		}
	}
}

// asked is an ask with where its answer goes.
type asked struct {
	limit *limit
	day   int32
}

// fetch asks for every limit that runs low, in one call.
func (t *Treasurer) fetch(ctx context.Context, now time.Time) error {
	elapsed := now.Sub(t.due.last)
	t.due.last = now
	var asks []ledger.LeaseAsk
	var to []asked
	for _, l := range t.order {
		for _, day := range t.activeDays(l, now) {
			if ask, ok := t.ask(l, day, now, elapsed); ok {
				asks, to = append(asks, ask), append(to, asked{l, day})
			}
		}
	}
	return t.grant(ctx, now, asks, to)
}

func (t *Treasurer) grant(ctx context.Context, now time.Time, asks []ledger.LeaseAsk, to []asked) error {
	for len(asks) > 0 {
		n := min(len(asks), ledger.MaxLeases)
		grants, err := t.cfg.Leases.GrantLeases(ctx, t.cfg.Node, t.cfg.Generation, now.Add(leaseLifetime), asks[:n])
		if err != nil {
			return err
		}
		for i := range grants {
			t.take(&grants[i], to[i], now)
		}
		asks, to = asks[n:], to[n:]
	}
	return nil
}

// take puts a grant into the Book.
func (t *Treasurer) take(g *ledger.Grant, to asked, now time.Time) {
	l, d := to.limit, to.limit.at(to.day)
	d.left, d.known = g.Left, true
	retry := retryEmpty
	if l.key.kind == ledger.WalletLimit {
		l.ceiling, retry = g.Ceiling, retryWallet
	}
	if g.Left.Sign() <= 0 {
		d.askAfter = now.Add(retry)
	}
	if added := t.settle(g, l, to.day); added > 0 {
		t.book.Grant(l.id, to.day, added)
		t.stats.Granted.Add(1)
	}
}

// settle compares the store's account of the lease with ours and returns how
// much of the grant may be held. Money of an answer that never arrived is in the
// account: it comes on top. A lease that the store let expire (a clock that
// jumped, a store that was away) is void: what was not held of it goes out of
// the Book, and the rest is paid for by what is granted anew.
func (t *Treasurer) settle(g *ledger.Grant, l *limit, day int32) money.Nanos {
	d := l.at(day)
	if g.Lease.Spent.Cmp(d.posted) < 0 { // the account was deleted and begun anew
		d.forgotten = d.forgotten.Add(d.posted)
	}
	d.posted = g.Lease.Spent
	gap := g.Lease.Granted.Sub(d.leased).Sub(g.Added)
	added := g.Added
	switch {
	case gap.Sign() > 0:
		if left := g.Lease.Outstanding().Sub(added); left.Cmp(gap) < 0 {
			gap = left
		}
		added = added.Add(gap)
	case gap.Sign() < 0:
		t.stats.Voided.Add(1)
		t.book.TakeBack(l.id, day, money.MaxNanos)
		if totals, ok := t.book.Snapshot(l.id, day); ok {
			d.owed = totals.Billed.AddNanos(totals.Held).Sub(d.posted).Sub(d.forgotten)
		}
	}
	d.leased = g.Lease.Granted
	if d.owed.Sign() > 0 {
		pay := d.owed
		if added.Cmp(pay) < 0 {
			pay = added
		}
		d.owed, added = d.owed.Sub(pay), added.Sub(pay)
	}
	return max(added.Clamp(), 0)
}

// activeDays are the days of a limit that may be spent now: today, and tomorrow
// shortly before midnight. Days that are over are closed when their last click
// token has expired.
func (t *Treasurer) activeDays(l *limit, now time.Time) []int32 {
	if !l.key.kind.Daily() {
		return lifetime
	}
	today := pacing.DayKey(now, l.zone)
	days := []int32{today}
	if next := pacing.DayKey(now.Add(armAhead), l.zone); next != today {
		days = append(days, next)
	}
	for _, day := range days {
		if !t.book.Arm(l.id, day) {
			t.retire(l, today)
			t.book.Arm(l.id, day)
		}
	}
	return days
}

var lifetime = []int32{0}

// retire closes the days before yesterday. What was not spent of their leases
// runs out with the lease.
func (t *Treasurer) retire(l *limit, today int32) {
	for day := range l.days {
		if day < today {
			t.takeBack(l, day)
			if _, ok := t.book.Retire(l.id, day); ok {
				delete(l.days, day)
			}
		}
	}
}

// takeBack takes what can be spent of a limit out of the Book, to be given back.
func (t *Treasurer) takeBack(l *limit, day int32) {
	took := t.book.TakeBack(l.id, day, money.MaxNanos)
	if took <= 0 {
		return
	}
	d := l.at(day)
	d.leased = d.leased.AddNanos(-took)
	t.back = append(t.back, ledger.LeaseReturn{Limit: ledger.Limit{Kind: l.key.kind, Owner: l.key.owner, Day: day}, Amount: money.SumOf(took)})
}

// giveBack returns to the store what was taken out of the Book. What the store
// cannot take now is kept for the next time; what it does not know any more,
// because the lease has expired, is nobody's.
func (t *Treasurer) giveBack(ctx context.Context) error {
	for len(t.back) > 0 {
		n := returnable(t.back)
		err := t.cfg.Leases.ReturnLeases(ctx, t.cfg.Node, t.cfg.Generation, t.back[:n])
		if unknown := errors.Is(err, ledger.ErrInvalid) || errors.Is(err, ledger.ErrNotFound); unknown && n > 1 {
			err = t.giveBackOneByOne(ctx, n)
		} else if unknown {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("return leases: %w", err)
		}
		t.back = t.back[n:]
	}
	t.back = nil
	return nil
}

func (t *Treasurer) giveBackOneByOne(ctx context.Context, n int) error {
	for i := range n {
		err := t.cfg.Leases.ReturnLeases(ctx, t.cfg.Node, t.cfg.Generation, t.back[i:i+1])
		if err != nil && !errors.Is(err, ledger.ErrInvalid) && !errors.Is(err, ledger.ErrNotFound) {
			t.back = t.back[i:]
			return err
		}
	}
	return nil
}

// returnable is how many of the returns go into one call: the store takes a limit
// once.
func returnable(back []ledger.LeaseReturn) int {
	seen := make(map[ledger.Limit]bool, len(back))
	for i, b := range back {
		if seen[b.Limit] || i == ledger.MaxLeases {
			return i
		}
		seen[b.Limit] = true
	}
	return len(back)
}

// ask decides how much more of a limit to fetch.
func (t *Treasurer) ask(l *limit, day int32, now time.Time, elapsed time.Duration) (ledger.LeaseAsk, bool) {
	d := l.at(day)
	totals, ok := t.book.Snapshot(l.id, day)
	if !ok {
		return ledger.LeaseAsk{}, false
	}
	if ms := elapsed.Milliseconds(); ms > 0 && ms < time.Minute.Milliseconds() {
		delta := totals.Billed.Sub(d.billed).Clamp()
		d.perSecond = (d.perSecond*7 + max(delta, 0)*1000/money.Nanos(ms)) / 8
	}
	d.billed = totals.Billed
	if now.Before(d.askAfter) {
		return ledger.LeaseAsk{}, false
	}
	want := t.want(l, d, &totals)
	if want <= 0 {
		return ledger.LeaseAsk{}, false
	}
	return ledger.LeaseAsk{Limit: ledger.Limit{Kind: l.key.kind, Owner: l.key.owner, Day: day}, Ceiling: l.ceiling, Want: money.SumOf(want)}, true
}

func (t *Treasurer) want(l *limit, d *limitDay, totals *pacing.Totals) money.Nanos {
	if l.key.kind == ledger.WalletLimit && !d.known {
		return firstSlice
	}
	left := d.left
	if !d.known {
		left = l.ceiling
	}
	want := t.cfg.Leaser.Grant(&pacing.Position{
		Limit: l.ceiling, Spent: l.ceiling.Sub(left), Avail: totals.Avail, PerSecond: d.perSecond,
	})
	if totals.Avail < l.least {
		want = max(want, 2*l.least-totals.Avail)
	}
	if want > 0 {
		want += min(max(d.owed.Clamp(), 0), money.MaxNanos-want)
	}
	if want == 0 && totals.Avail == 0 && d.known {
		want = max(l.least, 1) // nothing left by the last answer: ask whether that has changed
	}
	return want
}

// refill fetches more of a chain at once, while a beacon waits: a click that is
// dearer than what happens to be leased is not given away while there is
// budget. It ends with ctx: a redirect does not wait for the store.
func (t *Treasurer) refill(ctx context.Context, chain *pacing.Chain, day int32, price money.Nanos) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !t.mu.lockUntil(ctx) {
		return false
	}
	defer t.mu.Unlock()
	now := t.cfg.Clock.Now()
	var asks []ledger.LeaseAsk
	var to []asked
	for _, l := range t.order {
		if !inChain(chain, l.id) {
			continue
		}
		at := int32(0)
		if l.key.kind.Daily() {
			at = day
		}
		totals, ok := t.book.Snapshot(l.id, at)
		if !ok {
			return false
		}
		if totals.Avail >= price {
			continue
		}
		if d := l.at(at); d.known && d.left.Sign() <= 0 && now.Before(d.askAfter) {
			return false
		}
		asks = append(asks, ledger.LeaseAsk{Limit: ledger.Limit{Kind: l.key.kind, Owner: l.key.owner, Day: at}, Ceiling: l.ceiling, Want: money.SumOf(price + l.least)})
		to = append(to, asked{l, at})
	}
	if len(asks) == 0 {
		return true // somebody gave something back meanwhile
	}
	t.stats.Refills.Add(1)
	return t.grant(ctx, now, asks, to) == nil
}

func inChain(c *pacing.Chain, id pacing.LimitID) bool {
	for _, have := range c {
		if have == id && id != 0 {
			return true
		}
	}
	return false
}

// pace moves the controllers and writes the multiplier of every ad group: the
// smallest along its chain.
func (t *Treasurer) pace(now time.Time) {
	multiplier := make(map[pacing.LimitID]money.PPB, len(t.order))
	for _, l := range t.order {
		if !l.paced {
			continue
		}
		day := l.day(now)
		if l.key.kind.Daily() && !now.Before(l.period.end) { // a new day: another weekday's hours, nothing spent
			next := pacing.DayAt(now, l.zone)
			l.period.start, l.period.end = next.Start, next.End
			l.period.shape(l.zone)
			l.pacer.Roll()
		}
		totals, ok := t.book.Snapshot(l.id, day)
		if !ok {
			continue
		}
		spent := l.at(day).base.Add(totals.Billed).AddNanos(totals.Held)
		l.pace = l.pacer.Tick(&pacing.Tick{Budget: l.ceiling, Spent: spent, Elapsed: l.period.elapsed(now)})
		multiplier[l.id] = max(l.pace, minPaceStep)
	}
	for _, g := range *t.groups.Load() {
		pace := money.One
		if chain := g.chain.Load(); chain != nil && g.smooth.Load() {
			for _, id := range chain {
				if m, ok := multiplier[id]; ok && m < pace {
					pace = m
				}
			}
		}
		g.pace.Store(uint64(pace))
	}
}

// measureDelays sets how long the expected cost of a click or a view is held.
func (t *Treasurer) measureDelays() {
	for i, hold := range []interface{ Store(int64) }{&t.clicks, &t.views} {
		if t.delays[i].Count() < 100 {
			continue
		}
		ms, _ := t.delays[i].Quantile(money.One / 100 * 95)
		hold.Store(min(max(ms, minDelay.Milliseconds()), maxDelay.Milliseconds()))
		if t.delays[i].Count() > 100_000 {
			t.delays[i].Halve()
		}
	}
}

// Close gives back what is leased and not held, so that the next life starts
// with it, and lets the rest run until the last token has expired. Nothing may
// be served or confirmed any more.
func (t *Treasurer) Close(ctx context.Context, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.order {
		for day := range l.days {
			t.takeBack(l, day)
		}
	}
	if err := t.giveBack(ctx); err != nil {
		return err
	}
	if err := t.cfg.Leases.CloseGeneration(ctx, t.cfg.Node, t.cfg.Generation, now.Add(holdLifetime+settleTime)); err != nil {
		return fmt.Errorf("close the generation: %w", err)
	}
	return nil
}
