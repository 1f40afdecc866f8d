package serving

import (
	"time"

	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

// settledAfter is how long a limit without movement is paced on; one whose
// multiplier is below 1 is paced always.
const settledAfter = 2 * time.Minute

// move puts a limit among those whose controllers run.
func (t *Treasurer) move(l *limit, ms int64) {
	l.movedMS = ms
	if l.paced && !l.moving {
		l.moving = true
		t.pacing = append(t.pacing, l)
	}
}

// pace moves the controllers of limits that are being spent, and publishes the
// multiplier of every ad group under one that changed: the smallest along its
// chain, never above 1, because the search for winners takes that for granted.
func (t *Treasurer) pace(now time.Time, ms int64) {
	kept := t.pacing[:0]
	for _, l := range t.pacing {
		if !l.paced || l.goneMS != 0 {
			l.moving = false
			continue
		}
		if t.control(l, now, ms) {
			for _, g := range l.groups {
				g.pace.Store(uint64(paceOf(g)))
			}
		}
		if l.moving = l.pace < money.One || ms-l.movedMS <= settledAfter.Milliseconds(); l.moving {
			kept = append(kept, l)
		}
	}
	clear(t.pacing[len(kept):])
	t.pacing = kept
}

// control moves one controller; true when its multiplier changed.
func (t *Treasurer) control(l *limit, now time.Time, ms int64) bool {
	if l.key.kind.Daily() && (!now.Before(l.period.end) || now.Before(l.period.start)) { // a new day: another weekday's hours, nothing spent
		next := pacing.DayAt(now, l.zone.loc)
		l.period.start, l.period.end = next.Start, next.End
		l.period.shape(l.zone.loc)
		l.pacer.Roll()
	}
	day := l.on(l.zone.today)
	totals, ok := t.book.Snapshot(l.id, day)
	if !ok {
		return false
	}
	d := l.at(day)
	if t.nodes.Load() > 1 && ms-d.readMS > readOthersEvery.Milliseconds() {
		t.again = append(t.again, l) // what the others spent is news
	}
	was := l.pace
	l.pace = max(l.pacer.Tick(&pacing.Tick{Budget: t.planned(l), Spent: d.spent(&totals), Elapsed: l.period.elapsed(now)}), minPaceStep)
	return l.pace != was
}

// readOthersEvery is how often a node that shares budgets reads what the others
// spent of one that it paces.
const readOthersEvery = 10 * time.Second

// spent is what is billed or held of the limit on that day, by everybody.
func (d *limitDay) spent(totals *pacing.Totals) money.Sum {
	return d.others.Add(d.retired).Add(totals.Billed).AddNanos(totals.Held)
}

// planned is what is to be spent of a limit in its period. Where days may differ
// it is an even share of what the week has left over the days it has left, so
// that what one day could not spend the next ones may, up to the day's limit.
func (t *Treasurer) planned(l *limit) money.Sum {
	if l.week == nil {
		return l.ceiling
	}
	monday := ledger.WeekOf(l.zone.today)
	week, ok := t.book.Snapshot(l.week.id, monday)
	today, okToday := t.book.Snapshot(l.id, l.zone.today)
	if !ok || !okToday {
		return l.budget
	}
	left := l.week.ceiling.Sub(l.week.at(monday).spent(&week)).Add(l.at(l.zone.today).spent(&today))
	days := uint64(1)
	for day := l.zone.today; ledger.WeekOf(ledger.AddDays(day, 1)) == monday; day = ledger.AddDays(day, 1) {
		days++
	}
	if left.Sign() <= 0 {
		return money.Sum{}
	}
	share, _ := left.DivMod(days)
	if share.Cmp(l.ceiling) > 0 {
		return l.ceiling
	}
	return share
}

// paceOf is the multiplier of an ad group.
func paceOf(g *groupState) money.PPB {
	pace := money.One
	if g.smooth.Load() {
		for _, l := range g.limits {
			if l.paced && l.pace < pace {
				pace = l.pace
			}
		}
	}
	return pace
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
