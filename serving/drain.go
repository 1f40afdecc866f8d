package serving

import (
	"maps"

	"mazad/internal/money"
	"mazad/pacing"
)

// draining is the cell that a limit had before its budget was cut. What is held
// there is honoured; what comes free of it is given back and not sold again, as
// it would be in the limit's own cell.
type draining struct {
	limit *limit
	id    pacing.LimitID
}

// cut gives a limit a new, empty cell and lets the old one drain. The chains of
// its ad groups follow in the same Apply.
func (t *Treasurer) cut(l *limit) {
	for _, d := range l.days {
		t.takeBack(l, d, false)
	}
	id, err := t.addCell(l.key.kind)
	if err != nil {
		return // no room: what comes free later may be sold again
	}
	t.draining = append(t.draining, draining{l, l.id})
	next := map[pacing.LimitID]pacing.LimitID{l.id: id}
	for old, now := range *t.replaced.Load() {
		if now == l.id {
			now = id
		}
		next[old] = now
	}
	t.replaced.Store(&next)
	delete(t.byID, l.id)
	l.id, t.byID[id] = id, l
	for _, d := range l.days {
		d.billed = money.Sum{}
	}
}

// sameLimit tells whether an id is that of a limit, or of a cell it had before.
func (t *Treasurer) sameLimit(held, now pacing.LimitID) bool {
	return held == now || held != 0 && (*t.replaced.Load())[held] == now
}

// drain takes back what has come free in cells that were replaced, and removes
// those that are empty.
func (t *Treasurer) drain() {
	kept := t.draining[:0]
	for _, c := range t.draining {
		open := false
		for _, d := range c.limit.days {
			took := t.book.TakeBack(c.id, d.day, money.MaxNanos)
			if took > 0 {
				d.leased = d.leased.AddNanos(-took)
				t.queue(t.cfg.Generation, c.limit.limit(d.day), &d.account)
			}
			totals, ok := t.book.Snapshot(c.id, d.day)
			if !ok {
				continue
			}
			if totals.Held != 0 || totals.Avail != 0 {
				open = true
			} else if c.limit.key.kind.Recurs() {
				if totals, ok := t.book.Retire(c.id, d.day); ok {
					d.retired = d.retired.Add(totals.Billed)
				}
			}
		}
		if open {
			kept = append(kept, c)
			continue
		}
		totals, ok := t.book.Remove(c.id)
		if !ok {
			kept = append(kept, c)
			continue
		}
		if !c.limit.key.kind.Recurs() {
			d := c.limit.at(0)
			d.retired = d.retired.Add(totals.Billed)
		}
		next := maps.Clone(*t.replaced.Load())
		delete(next, c.id)
		t.replaced.Store(&next)
	}
	clear(t.draining[len(kept):])
	t.draining = kept
}
