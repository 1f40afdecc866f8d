package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// schedule is when the slower parts of Tick run next, in steady milliseconds.
type schedule struct {
	pace, renew, delays, forget int64
	ticks                       uint64
}

// Intervals of Tick.
const (
	paceEvery   = time.Second
	renewEvery  = time.Minute
	delaysEvery = 10 * time.Second
	forgetEvery = time.Minute
	retryWallet = time.Second      // before asking again for a wallet that has nothing left: it may have been topped up
	retryShared = 10 * time.Second // before asking again for a limit of which others hold something
	retrySpent  = 5 * time.Minute  // before asking again for one that is spent: only edits change that, and they ask at once
	forgetTicks = 50               // ticks in which what a dry ad group needs is halved
	armAhead    = 2 * time.Minute
	armPage     = 5_000           // limits armed for a new day in one tick
	firstSlice  = 100_000_000_000 // nanos asked of a wallet whose size is not known yet: 100 units
	minPaceStep = money.PPB(1000) // a multiplier of 0 is for an empty budget only
	keepDays    = 14              // of accounts of days that are over
)

// Tick fetches leases that run low, rolls days, moves the pacing multipliers and
// readmits ad groups that ran dry. Call it about five times a second, off the
// request path. It looks at what moved since the last call, not at every limit.
// An error of the store leaves everything as it is: what is leased can be spent,
// no more. ledger.ErrLifeOver means that this node must stop: it bills nothing
// any more.
func (t *Treasurer) Tick(ctx context.Context, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms := t.steady.advance(now)
	t.due.ticks++
	t.ticks.Add(1)
	for _, z := range t.zones {
		z.read(now)
	}
	t.drain()
	err := t.giveBack(ctx, returnPages)
	if err == nil {
		err = t.fetch(ctx, ms)
	}
	t.readmit(now)
	if ms >= t.due.pace {
		t.due.pace = ms + paceEvery.Milliseconds()
		t.pace(now, ms)
	}
	if ms >= t.due.delays {
		t.due.delays = ms + delaysEvery.Milliseconds()
		t.measureDelays()
	}
	t.endLegacy(now, ms)
	if ms >= t.due.forget {
		t.due.forget = ms + forgetEvery.Milliseconds()
		t.forget(ms)
	}
	if err == nil && ms >= t.due.renew {
		if err = t.cfg.Leases.RenewLeases(ctx, t.cfg.Node, t.cfg.Generation, now.Add(t.life.lease)); err == nil {
			t.due.renew = ms + min(renewEvery, t.life.lease/8).Milliseconds()
		}
	}
	if err != nil {
		if errors.Is(err, ledger.ErrLifeOver) {
			t.over.Store(true)
		}
		t.stats.AskErrors.Add(1)
		return fmt.Errorf("leases: %w", err)
	}
	return nil
}

// readmit lets the ad groups that ran dry compete again when the hold that was
// refused would fit now. What it was is forgotten by and by, because prices come
// down too: the rest of a budget buys a cheaper slot.
func (t *Treasurer) readmit(now time.Time) {
	for _, z := range t.zones {
		z.read(now)
	}
	for c, chunk := range t.hot {
		for i := range chunk {
			if chunk[i].dry.Load() == 0 {
				continue
			}
			g := t.states[c*hotChunk+i]
			if g == nil {
				continue
			}
			need := g.need.Load()
			if (uint64(g.index)+t.due.ticks)%forgetTicks == 0 {
				need /= 2
				g.need.Store(need)
			}
			if chain := g.chain.Load(); chain != nil && t.book.Fits(chain, g.zone.today, money.Nanos(max(need, 1))) {
				g.dry.Store(0)
			}
		}
	}
}

// asked is an ask with where its answer goes.
type asked struct {
	limit *limit
	day   *limitDay
}

// fetch asks for every limit that runs low among those that moved, in few calls.
func (t *Treasurer) fetch(ctx context.Context, ms int64) error {
	t.looks = t.looks[:0]
	t.lookAtTouched(ms)
	again := t.again
	t.again = nil
	for _, l := range again {
		if l.goneMS == 0 {
			t.look(l, l.on(l.zone.today))
			t.look(l, l.on(l.zone.next))
		}
	}
	t.lookAtHungry(ms)
	t.arm()
	t.stats.Looks.Add(uint64(len(t.looks)))
	var asks []ledger.LeaseAsk
	var to []asked
	for _, a := range t.looks {
		if ask, ok := t.ask(a.limit, a.day, ms); ok {
			asks, to = append(asks, ask), append(to, a)
		}
	}
	return t.grant(ctx, ms, asks, to)
}

// lookAtTouched finds the ad groups whose money moved.
func (t *Treasurer) lookAtTouched(ms int64) {
	for c, chunk := range t.hot {
		for i := range chunk {
			if chunk[i].touched.Load() == 0 {
				continue
			}
			chunk[i].touched.Store(0)
			g := t.states[c*hotChunk+i]
			if g == nil {
				continue
			}
			for _, l := range g.limits {
				t.move(l, ms)
				t.look(l, l.on(g.zone.today))
			}
		}
	}
}

// lookAtHungry finds the limits that could not be filled and may be tried again.
func (t *Treasurer) lookAtHungry(ms int64) {
	kept := t.hungry[:0]
	for _, a := range t.hungry {
		today := a.limit.on(a.limit.zone.today)
		switch {
		case a.limit.goneMS != 0 || a.day.day != 0 && a.day.day != today && a.day.day != a.limit.on(a.limit.zone.next):
			a.day.hungry = false
		case ms < a.day.askAfter:
			kept = append(kept, a)
		default:
			a.day.hungry = false
			t.look(a.limit, a.day.day)
		}
	}
	clear(t.hungry[len(kept):])
	t.hungry = kept
}

// arm opens new days, a page of limits a tick: they are armed ahead.
func (t *Treasurer) arm() {
	room := armPage
	for _, z := range t.zones {
		for len(z.arming) > 0 && room > 0 {
			job := &z.arming[0]
			for ; job.at < len(z.limits) && room > 0; job.at, room = job.at+1, room-1 {
				if l := z.limits[job.at]; l.goneMS == 0 {
					t.retire(l)
					t.look(l, l.on(job.day))
				}
			}
			if job.at == len(z.limits) {
				z.arming = z.arming[1:]
			}
		}
	}
}

// look puts a day of a limit on the list of this tick, armed.
func (t *Treasurer) look(l *limit, day int32) {
	d := l.at(day)
	if d.looked == t.due.ticks {
		return
	}
	d.looked = t.due.ticks
	if l.key.kind.Recurs() && !t.book.Arm(l.id, day) {
		if t.retire(l); !t.book.Arm(l.id, day) {
			t.again = append(t.again, l) // something is held there still
			return
		}
	}
	t.looks = append(t.looks, asked{l, d})
}

// forget removes the ad groups and limits that are gone for longer than any token
// of theirs lives.
func (t *Treasurer) forget(ms int64) {
	if len(t.emptied) > 0 && ms-t.emptiedMS >= forgetEvery.Milliseconds() {
		for _, id := range t.emptied {
			t.book.Remove(id)
		}
		t.emptied = nil
	}
	before := ms - (clickLifetime + time.Hour).Milliseconds()
	var gone []*groupState
	for _, g := range t.states {
		if g != nil && g.goneMS != 0 && g.goneMS < before {
			gone = append(gone, g)
		}
	}
	if len(gone) > 0 {
		groups := make(map[id.AdGroup]*groupState, len(*t.groups.Load()))
		for k, g := range *t.groups.Load() {
			groups[k] = g
		}
		for _, g := range gone {
			delete(groups, g.id)
			g.chain.Store(nil)
			t.states[g.index-1] = nil
			t.free = append(t.free, int(g.index-1))
		}
		t.groups.Store(&groups)
	}
	kept := t.order[:0]
	for _, l := range t.order {
		if l.goneMS == 0 || l.goneMS >= before || !t.remove(l) {
			kept = append(kept, l)
		}
	}
	if len(kept) < len(t.order) {
		clear(t.order[len(kept):])
		t.order = kept
		for _, z := range t.zones {
			z.limits, z.arming = without(z.limits, t.limits), nil
			z.arming = append(z.arming, arming{day: z.today}, arming{day: z.next})
		}
	}
}

func without(limits []*limit, have map[limitKey]*limit) []*limit {
	kept := limits[:0]
	for _, l := range limits {
		if have[l.key] == l {
			kept = append(kept, l)
		}
	}
	clear(limits[len(kept):])
	return kept
}

// remove takes a limit out of the Book; false while something is held in it.
func (t *Treasurer) remove(l *limit) bool {
	for _, d := range l.days {
		t.takeBack(l, d, true)
		if l.key.kind.Recurs() {
			t.book.Retire(l.id, d.day)
		}
	}
	if _, ok := t.book.Remove(l.id); !ok {
		return false
	}
	delete(t.limits, l.key)
	delete(t.byID, l.id)
	t.stats.Forgotten.Add(1)
	return true
}

// retire closes the days before yesterday and those after tomorrow (a clock had
// jumped), and forgets the accounts of days long over.
func (t *Treasurer) retire(l *limit) {
	if !l.key.kind.Recurs() {
		return
	}
	first, last := l.on(ledger.AddDays(l.zone.today, -1)), l.on(ledger.AddDays(l.zone.today, 1))
	if l.key.kind.Weekly() {
		first = l.on(ledger.AddDays(l.zone.today, -7))
	}
	old := ledger.AddDays(l.zone.today, -keepDays)
	kept := l.days[:0]
	for _, d := range l.days {
		if d.day < first || d.day > last {
			t.takeBack(l, d, false)
			if totals, ok := t.book.Retire(l.id, d.day); ok {
				d.retired = d.retired.Add(totals.Billed)
				d.billed = money.Sum{}
			}
		}
		if _, open := t.book.Snapshot(l.id, d.day); open || d.day >= old {
			kept = append(kept, d)
		} else { // the account begins anew should the day ever come back
			t.takeBack(l, d, true)
		}
	}
	clear(l.days[len(kept):])
	l.days = kept
}

// Close gives back what is leased and not held, so that the next life starts
// with it, and lets the rest run until the last token has expired. Nothing may
// be served or confirmed any more.
func (t *Treasurer) Close(ctx context.Context, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.order {
		for _, d := range l.days {
			t.takeBack(l, d, false)
		}
	}
	if err := t.giveBack(ctx, math.MaxInt); err != nil {
		return err
	}
	if err := t.cfg.Leases.CloseGeneration(ctx, t.cfg.Node, t.cfg.Generation, now.Add(t.life.hold+t.life.settle)); err != nil {
		return fmt.Errorf("close the generation: %w", err)
	}
	return nil
}
