package pacing

import (
	"fmt"

	"mazad/internal/money"
)

// Totals is the account of one cell.
type Totals struct {
	Granted money.Sum   // leased into this cell, less what was taken back
	Billed  money.Sum   // spent
	Held    money.Nanos // outstanding
	Avail   money.Nanos // free to hold
}

// AddTotal adds a lifetime limit with nothing granted.
func (b *Book) AddTotal() (LimitID, error) { return b.add(0, 1) }

// AddDaily adds a limit of local days, none of them armed.
func (b *Book) AddDaily() (LimitID, error) { return b.add(dayLimit, daySlots) }

// AddWeekly adds a limit of local weeks from Monday, none of them armed. A week
// is named by any of its days.
func (b *Book) AddWeekly() (LimitID, error) { return b.add(weekLimit, daySlots) }

// freeList is where the cells of a removed limit wait.
func (b *Book) freeList(id LimitID) *[]uint32 {
	if id.Recurs() {
		return &b.free[1]
	}
	return &b.free[0]
}

func (b *Book) add(kind LimitID, cells uint32) (LimitID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.freeList(kind)
	var at uint32
	if n := len(*list); n > 0 {
		at, *list = (*list)[n-1], (*list)[:n-1]
	} else {
		at = b.next
		if room := chunkCells - at%chunkCells; room < cells {
			at += room // the cells left over at a chunk's end stay unused
		}
		if int(at/chunkCells) >= len(b.chunks) {
			return 0, fmt.Errorf("pacing: all %d cells are in use: raise max_cells", len(b.chunks)*chunkCells)
		}
		b.next = at + cells
		if p := &b.chunks[at/chunkCells]; p.Load() == nil {
			p.Store(new(chunk))
		}
	}
	id := LimitID(at) | kind
	if kind == 0 {
		b.cell(at).open(lifetimeDay)
	}
	b.stats.limits.Add(1)
	return id, nil
}

func (c *cell) open(day int32) {
	c.granted, c.folded = money.Sum{}, money.Sum{}
	c.avail.Store(0)
	c.billed.Store(0)
	c.day.Store(day)
}

// Arm opens a day of a daily limit, or its week of a weekly one, with nothing
// granted; true also when it was open. It fails while the day that shares its
// slot (three days or weeks apart) has not been retired.
func (b *Book) Arm(id LimitID, day int32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := placeOf(day)
	c, key := b.at(id, &p)
	if !id.Recurs() || c == nil || day <= lifetimeDay {
		return false
	}
	switch c.day.Load() {
	case key:
		return true
	case 0:
		c.open(key)
		return true
	}
	return false
}

// Retire closes a day and returns its account, Avail counted as taken back. It
// refuses while money is held. Late events of a retired day are delivered free,
// so retire only when its last token has expired, and let some time pass (a
// publisher's tick) before arming the day that follows in its slot.
func (b *Book) Retire(id LimitID, day int32) (Totals, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := placeOf(day)
	c := b.find(id, &p)
	if !id.Recurs() || c == nil {
		return Totals{}, false
	}
	return c.close()
}

// Remove forgets a limit once nothing is held in it and, for a daily or weekly
// limit, all its days are retired. Its id may then be given to another limit.
func (b *Book) Remove(id LimitID) (Totals, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var t Totals
	if id.Recurs() {
		for slot := range uint32(daySlots) {
			if c := b.cell(id.index() + slot); c == nil || c.day.Load() != 0 {
				return t, false
			}
		}
	} else {
		c := b.find(id, &place{})
		if id == 0 || c == nil {
			return t, false
		}
		var ok bool
		if t, ok = c.close(); !ok {
			return t, false
		}
	}
	list := b.freeList(id)
	*list = append(*list, id.index())
	b.stats.limits.Add(-1)
	return t, true
}

// close empties a cell. The unspent amount is taken first, so that no hold can
// start; if something turns out to be held, it is put back.
func (c *cell) close() (Totals, bool) {
	left := c.avail.Swap(0)
	t := c.totals()
	if t.Held+t.Avail != money.Nanos(left) {
		c.avail.Add(left)
		return c.totals(), false
	}
	c.day.Store(0)
	t.Held, t.Avail, t.Granted = 0, 0, t.Billed
	return t, true
}

// totals folds the running figure of billed and reads the account.
func (c *cell) totals() Totals {
	c.folded = c.folded.AddNanos(money.Nanos(c.billed.Swap(0)))
	t := Totals{Granted: c.granted, Billed: c.folded, Avail: money.Nanos(c.avail.Load())}
	t.Held = c.granted.Sub(c.folded).AddNanos(-t.Avail).Clamp()
	return t
}

// Grant adds a lease to a limit (to one day of a daily limit) and returns how
// much of it was taken: less only where the unspent lease would not fit Nanos,
// 0 when the cell is not open.
func (b *Book) Grant(id LimitID, day int32, amount money.Nanos) money.Nanos {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := placeOf(day)
	c := b.find(id, &p)
	if c == nil || amount <= 0 {
		return 0
	}
	t := c.totals()
	amount = min(amount, money.MaxNanos-t.Avail-t.Held)
	c.granted = c.granted.AddNanos(amount)
	c.avail.Add(int64(amount))
	return amount
}

// TakeBack removes up to amount of the unspent lease and returns how much.
func (b *Book) TakeBack(id LimitID, day int32, amount money.Nanos) money.Nanos {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := placeOf(day)
	c := b.find(id, &p)
	if c == nil {
		return 0
	}
	for amount = min(amount, money.Nanos(c.avail.Load())); amount > 0; amount = min(amount, money.Nanos(c.avail.Load())) {
		if c.take(int64(amount)) {
			c.granted = c.granted.AddNanos(-amount)
			return amount
		}
	}
	return 0
}

// Snapshot reads the account of a limit. Granted = Avail + Billed + Held
// always; while holds and commits run, Held may include a commit that is
// half done.
func (b *Book) Snapshot(id LimitID, day int32) (Totals, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := placeOf(day)
	c := b.find(id, &p)
	if c == nil {
		return Totals{}, false
	}
	return c.totals(), true
}
