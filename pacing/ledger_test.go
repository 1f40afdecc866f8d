package pacing_test

import (
	"fmt"
	"slices"
	"testing"

	"mazad/internal/money"
	"mazad/pacing"

	"pgregory.net/rapid"
)

// oracleCell is a cell of the map ledger: plain numbers, no cleverness.
type oracleCell struct{ granted, billed, held money.Nanos }

type oracleHold struct {
	chain pacing.Chain
	day   int32
	left  money.Nanos
}

// ledger is the oracle: a map from limit and day to three numbers.
type ledger struct {
	book  *pacing.Book
	cells map[string]*oracleCell
	ids   []pacing.LimitID
	days  []int32
	holds []oracleHold
	spent []oracleHold // commits that may be refunded
}

func (l *ledger) cell(id pacing.LimitID, day int32) *oracleCell {
	if !id.Daily() {
		day = 0
	}
	return l.cells[fmt.Sprint(id, day)]
}

func (l *ledger) fits(c *pacing.Chain, day int32, n money.Nanos) (bool, int) {
	for i, id := range c {
		if id == 0 {
			continue
		}
		if k := l.cell(id, day); k == nil || k.granted-k.billed-k.held < n {
			return false, i
		}
	}
	return true, -1
}

func (l *ledger) move(c *pacing.Chain, day int32, held, billed money.Nanos) {
	for _, id := range c {
		if k := l.cell(id, day); id != 0 && k != nil {
			k.held, k.billed = k.held+held, k.billed+billed
		}
	}
}

func (l *ledger) check(t *rapid.T) {
	for _, id := range l.ids {
		for _, day := range l.days {
			got, ok := l.book.Snapshot(id, day)
			k := l.cell(id, day)
			if ok != (k != nil) {
				t.Fatalf("limit %d day %d: open is %v", id, day, ok)
			}
			if ok && (got.Granted != money.SumOf(k.granted) || got.Billed != money.SumOf(k.billed) || got.Held != k.held || got.Avail != k.granted-k.billed-k.held) {
				t.Fatalf("limit %d day %d: %+v, want %+v", id, day, got, *k)
			}
		}
	}
}

func TestI1BookEqualsMapLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{
			book:  must(pacing.NewBook(pacing.BookConfig{MaxCells: 100})),
			cells: map[string]*oracleCell{},
			days:  []int32{20261230, 20261231, 20270101, 20270102, 20270103},
		}
		for range 3 {
			id := must(l.book.AddTotal())
			l.ids = append(l.ids, id, must(l.book.AddDaily()))
			l.cells[fmt.Sprint(id, 0)] = &oracleCell{}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": l.check, "hold": l.hold, "commit": l.commit, "release": l.release,
			"refund": l.refund, "grant": l.grant, "take back": l.takeBack, "roll": l.roll,
		})
	})
}

func drawAmount(t *rapid.T) money.Nanos {
	return money.Nanos(rapid.Int64Range(0, 40).Draw(t, "amount"))
}

func (l *ledger) drawDay(t *rapid.T) int32 { return rapid.SampledFrom(l.days).Draw(t, "day") }

func (l *ledger) drawLimit(t *rapid.T) pacing.LimitID {
	return rapid.SampledFrom(l.ids).Draw(t, "limit")
}

// drawHold takes one of the outstanding holds.
func (l *ledger) drawHold(t *rapid.T) (oracleHold, bool) {
	if len(l.holds) == 0 {
		return oracleHold{}, false
	}
	i := rapid.IntRange(0, len(l.holds)-1).Draw(t, "hold")
	h := l.holds[i]
	l.holds = slices.Delete(l.holds, i, i+1)
	return h, true
}

func (l *ledger) hold(t *rapid.T) {
	h := oracleHold{day: l.drawDay(t), left: drawAmount(t)}
	for i, id := range l.ids {
		if rapid.Bool().Draw(t, "in chain") {
			h.chain[i] = id
		}
	}
	want, at := l.fits(&h.chain, h.day, h.left)
	if ok, place := l.book.Hold(&h.chain, h.day, h.left); ok != want || place != at {
		t.Fatalf("hold: %v at %d, want %v at %d", ok, place, want, at)
	}
	if want {
		l.move(&h.chain, h.day, h.left, 0)
		l.holds = append(l.holds, h)
	}
}

func (l *ledger) commit(t *rapid.T) {
	h, ok := l.drawHold(t)
	if !ok {
		return
	}
	price, want := drawAmount(t), money.Nanos(0)
	if fits, _ := l.fits(&h.chain, h.day, price-h.left); price <= h.left || fits {
		want = price
	}
	if got := l.book.Commit(&h.chain, h.day, h.left, price); got != want {
		t.Fatalf("commit %d of %d: billed %d, want %d", price, h.left, got, want)
	}
	l.move(&h.chain, h.day, -h.left, want)
	l.spent = append(l.spent, oracleHold{h.chain, h.day, want})
}

func (l *ledger) release(t *rapid.T) {
	if h, ok := l.drawHold(t); ok {
		l.book.Release(&h.chain, h.day, h.left)
		l.move(&h.chain, h.day, -h.left, 0)
	}
}

func (l *ledger) refund(*rapid.T) {
	if n := len(l.spent); n > 0 {
		h := l.spent[n-1]
		l.spent = l.spent[:n-1]
		l.book.Refund(&h.chain, h.day, h.left)
		l.move(&h.chain, h.day, 0, -h.left)
	}
}

func (l *ledger) grant(t *rapid.T) {
	id, day, n := l.drawLimit(t), l.drawDay(t), drawAmount(t)
	if got, k := l.book.Grant(id, day, n), l.cell(id, day); k != nil {
		k.granted += got
	} else if got != 0 {
		t.Fatalf("granted %d to a closed cell", got)
	}
}

func (l *ledger) takeBack(t *rapid.T) {
	id, day, n := l.drawLimit(t), l.drawDay(t), drawAmount(t)
	want := money.Nanos(0)
	if k := l.cell(id, day); k != nil {
		want = min(n, k.granted-k.billed-k.held)
		k.granted -= want
	}
	if got := l.book.TakeBack(id, day, n); got != want {
		t.Fatalf("took back %d, want %d", got, want)
	}
}

// roll arms a day, or retires it when it is armed.
func (l *ledger) roll(t *rapid.T) {
	id, day := l.drawLimit(t), l.drawDay(t)
	key := fmt.Sprint(id, day)
	k := l.cell(id, day)
	if k != nil {
		got, ok := l.book.Retire(id, day)
		if want := id.Daily() && k.held == 0; ok != want {
			t.Fatalf("retire: %v, want %v", ok, want)
		}
		if ok {
			if got.Billed != money.SumOf(k.billed) || got.Granted != got.Billed {
				t.Fatalf("retired %+v, want billed %d", got, k.billed)
			}
			l.holds = slices.DeleteFunc(l.holds, func(h oracleHold) bool { return h.left == 0 && h.day == day }) // they end with their day
			l.spent = nil                                                                                        // a refund into a closed day is lost, and counted
			delete(l.cells, key)
		}
		return
	}
	clash := false
	for i, d := range l.days {
		for j, e := range l.days {
			clash = clash || d == day && (i-j == 3 || j-i == 3) && l.cell(id, e) != nil
		}
	}
	if got := l.book.Arm(id, day); got != (id.Daily() && !clash) {
		t.Fatalf("arm %d: %v, clash %v", day, got, clash)
	} else if got {
		l.cells[key] = &oracleCell{}
	}
}
