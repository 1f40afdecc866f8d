package pacing

import (
	"fmt"
	"sync"
	"sync/atomic"

	"mazad/internal/money"
)

const (
	// daySlots is how many local days (or weeks) of a limit live at once: the day
	// whose late clicks still arrive, the current one, and the next, armed before
	// midnight so that the roll needs no moment of its own.
	daySlots = 3
	// chunkCells is the number of cells allocated together: 192 KiB.
	chunkCells = 3 * 1024
	// DefaultCells is the default of BookConfig.MaxCells: a million ad groups
	// with a daily budget, and their campaigns.
	DefaultCells = 4 << 20
	maxCells     = 1<<30 - chunkCells // what a LimitID can name
)

// cell is one limit, or one local day of a daily limit. It fills a cache line,
// so that two busy limits never share one.
type cell struct {
	// atomic; the request path
	avail  atomic.Int64 // granted and neither billed nor held; never negative
	billed atomic.Int64 // since the last fold
	day    atomic.Int32 // yyyymmdd, or the number of the week; lifetimeDay for lifetime limits; 0 while not armed

	// guarded by Book.mu
	granted money.Sum
	folded  money.Sum // billed before the last fold
	_       [8]byte
}

// lifetimeDay marks the cell of a lifetime limit in use.
const lifetimeDay = 1

type chunk [chunkCells]cell

// BookConfig sizes a Book.
type BookConfig struct {
	MaxCells int // a lifetime limit takes one cell, a daily or weekly one three; 0: DefaultCells
}

// Book keeps the cells of all limits of one process.
type Book struct {
	chunks []atomic.Pointer[chunk] // fixed length; an entry is set once, when first needed

	stats bookStats

	mu   sync.Mutex
	next uint32      // owned under mu: first cell never used
	free [2][]uint32 // owned under mu: removed limits of one cell, and of three
}

// NewBook returns an empty Book. Memory is taken as limits are added, 64 bytes
// a cell.
func NewBook(cfg BookConfig) (*Book, error) {
	if cfg.MaxCells == 0 {
		cfg.MaxCells = DefaultCells
	}
	if cfg.MaxCells < 0 || cfg.MaxCells > maxCells {
		return nil, fmt.Errorf("pacing max_cells is %d, want 1 to %d", cfg.MaxCells, maxCells)
	}
	n := (cfg.MaxCells + chunkCells - 1) / chunkCells
	return &Book{chunks: make([]atomic.Pointer[chunk], n), next: daySlots}, nil // id 0 is no limit
}

// place is where the cells of a day are: one calculation for a whole chain.
type place struct {
	day      int32
	slot     uint32 // of daily limits
	week     int32
	weekSlot uint32
}

func placeOf(day int32) place {
	n := dayNumber(day)
	week := weekNumber(n)
	return place{day: day, slot: n % daySlots, week: int32(week), weekSlot: week % daySlots}
}

// find returns the cell of a limit for a day, nil when it is not armed.
func (b *Book) find(id LimitID, p *place) *cell {
	i, key := id.index(), int32(lifetimeDay)
	switch {
	case id.Daily():
		i, key = i+p.slot, p.day
	case id.Weekly():
		i, key = i+p.weekSlot, p.week
	}
	if c := b.cell(i); c != nil && c.day.Load() == key {
		return c
	}
	return nil
}

// at returns the cell where a limit keeps a day, whichever is in it, and what is
// in it when that day is armed; nil for an unknown id.
func (b *Book) at(id LimitID, p *place) (c *cell, key int32) {
	switch {
	case id.Daily():
		return b.cell(id.index() + p.slot), p.day
	case id.Weekly():
		return b.cell(id.index() + p.weekSlot), p.week
	}
	return b.cell(id.index()), lifetimeDay
}

func (b *Book) cell(i uint32) *cell {
	if int(i/chunkCells) >= len(b.chunks) {
		return nil
	}
	ch := b.chunks[i/chunkCells].Load()
	if ch == nil {
		return nil
	}
	return &ch[i%chunkCells]
}

// Hold sets amount aside in every limit of the chain, or in none: refused is
// then the place of the limit that refused (PlaceName), or -1 if the amount is
// negative. Day is
// the local date of the auction in the advertiser's zone; a daily limit that is
// not armed for it refuses. While another Hold is being refused, this one may
// be refused although both had room for one: limits are never passed instead.
func (b *Book) Hold(c *Chain, day int32, amount money.Nanos) (ok bool, refused int) {
	if amount < 0 {
		return false, -1
	}
	p := placeOf(day)
	// Look before taking: most refusals come from a limit that has been empty
	// for long, and reading it does not disturb the others.
	var cells [ChainLen]*cell
	for i, id := range c {
		if id == 0 {
			continue
		}
		if cells[i] = b.find(id, &p); cells[i] == nil || cells[i].avail.Load() < int64(amount) {
			b.stats.refused[i].Add(1)
			return false, i
		}
	}
	for i, cl := range cells {
		if cl == nil || cl.take(int64(amount)) {
			continue
		}
		for j := i - 1; j >= 0; j-- {
			if cells[j] != nil {
				cells[j].avail.Add(int64(amount))
			}
		}
		b.stats.refused[i].Add(1)
		b.stats.rolledBack.Add(1)
		return false, i
	}
	return true, -1
}

// Fits tells whether a Hold of amount would be granted now. It takes nothing, so
// the answer may be old when it arrives.
func (b *Book) Fits(c *Chain, day int32, amount money.Nanos) bool {
	p := placeOf(day)
	for _, id := range c {
		if id == 0 {
			continue
		}
		if cl := b.find(id, &p); cl == nil || cl.avail.Load() < int64(amount) {
			return false
		}
	}
	return true
}

func (c *cell) take(amount int64) bool {
	for {
		have := c.avail.Load()
		if have < amount {
			return false
		}
		if c.avail.CompareAndSwap(have, have-amount) {
			return true
		}
	}
}

// Commit turns a hold into spend and returns what is billed: price, or 0 when
// the event is delivered free. A price up to held always fits and the rest of
// the hold is released. A higher one (charged per click, where held may be 0
// because the hold expired) needs the difference in every limit; if one refuses,
// the whole hold is released and nothing is billed. Day is the hold's.
func (b *Book) Commit(c *Chain, day int32, held, price money.Nanos) (billed money.Nanos) {
	if held < 0 || price < 0 {
		b.stats.misused.Add(1)
		return 0
	}
	if price > held {
		if ok, _ := b.Hold(c, day, price-held); !ok {
			b.stats.free.Add(1)
			b.Release(c, day, held)
			return 0
		}
		held = price
	}
	p := placeOf(day)
	for _, id := range c {
		if id == 0 {
			continue
		}
		cl := b.find(id, &p)
		if cl == nil {
			b.stats.misused.Add(1) // Retire and Remove refuse while money is held
			continue
		}
		cl.billed.Add(int64(price))
		if held > price {
			cl.avail.Add(int64(held - price))
		}
	}
	return price
}

// Release gives a hold back.
func (b *Book) Release(c *Chain, day int32, held money.Nanos) {
	if held <= 0 {
		return
	}
	p := placeOf(day)
	for _, id := range c {
		if id == 0 {
			continue
		}
		if cl := b.find(id, &p); cl != nil {
			cl.avail.Add(int64(held))
		} else {
			b.stats.misused.Add(1)
		}
	}
}
