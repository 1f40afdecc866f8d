package pacing_test

import (
	"fmt"
	"testing"

	"mazad/internal/money"
	"mazad/pacing"

	"pgregory.net/rapid"
)

func newBook(t testing.TB) *pacing.Book {
	b, err := pacing.NewBook(pacing.BookConfig{MaxCells: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const today = int32(20261122)

func TestHoldNamesTheLimitThatRefuses(t *testing.T) {
	b := newBook(t)
	chain := pacing.Chain{pacing.AdGroupDay: must(b.AddDaily()), pacing.CampaignTotal: must(b.AddTotal()), pacing.Wallet: must(b.AddTotal())}
	f := func(amount money.Nanos, want string) {
		t.Helper()
		ok, place := b.Hold(&chain, today, amount)
		if got := pacing.PlaceName(place); ok != (want == "") || !ok && got != want {
			t.Errorf("hold of %d: %v by %s, want refused by %q", amount, ok, got, want)
		}
	}
	f(1, "adgroup_day") // not armed
	f(-1, "place_-1")
	if !b.Arm(chain[pacing.AdGroupDay], today) {
		t.Fatal("cannot arm")
	}
	b.Grant(chain[pacing.AdGroupDay], today, 10)
	f(1, "campaign_total")
	f(0, "")
	b.Grant(chain[pacing.CampaignTotal], 0, 10)
	f(1, "wallet")
	b.Grant(chain[pacing.Wallet], 0, 5)
	f(6, "wallet")
	f(5, "")
	f(1, "wallet")
	if ok, place := b.Hold(&chain, today+1, 1); ok || place != pacing.AdGroupDay {
		t.Errorf("tomorrow, not armed: %v by %d", ok, place)
	}
	if got := b.Stats().Refused[pacing.Wallet]; got != 3 {
		t.Errorf("wallet refused %d holds, want 3", got)
	}
}

func TestCommitChargedLater(t *testing.T) {
	b := newBook(t)
	chain := pacing.Chain{pacing.AdGroupTotal: must(b.AddTotal()), pacing.Wallet: must(b.AddTotal())}
	b.Grant(chain[pacing.AdGroupTotal], 0, 100)
	b.Grant(chain[pacing.Wallet], 0, 30)
	hold := func(n money.Nanos) {
		t.Helper()
		if ok, _ := b.Hold(&chain, today, n); !ok {
			t.Fatalf("hold of %d refused", n)
		}
	}
	commit := func(held, price, want, avail money.Nanos) {
		t.Helper()
		got := b.Commit(&chain, today, held, price)
		if s, _ := b.Snapshot(chain[pacing.Wallet], 0); got != want || s.Avail != avail || s.Held != 0 {
			t.Errorf("commit %d of %d: billed %d, wallet %+v; want %d, avail %d", price, held, got, s, want, avail)
		}
	}
	hold(2)
	commit(2, 10, 10, 20) // the click costs more than was held: from what is free
	commit(0, 10, 10, 10) // its hold expired long ago
	hold(4)
	commit(4, 11, 0, 10) // only 10 in the wallet: delivered free, nothing stays held
	hold(10)
	commit(10, 7, 7, 3) // the rest is released
	if s := b.Stats(); s.Free != 1 || s.Misused != 0 {
		t.Errorf("stats %+v", s)
	}
	if s, _ := b.Snapshot(chain[pacing.AdGroupTotal], 0); s.Billed != money.SumOf(27) || s.Avail != 73 {
		t.Errorf("ad group %+v, want 27 billed of 100", s)
	}
}

func TestLateCommitIsBookedToItsDay(t *testing.T) {
	b := newBook(t)
	id := must(b.AddDaily())
	chain := pacing.Chain{pacing.AdGroupDay: id}
	day := func(n int32) int32 { return 20260227 + n } // February ends: 27, 28
	for _, d := range []int32{20260227, 20260228, 20260301} {
		if !b.Arm(id, d) {
			t.Fatalf("cannot arm %d", d)
		}
		b.Grant(id, d, 100)
	}
	if ok, _ := b.Hold(&chain, day(0), 60); !ok {
		t.Fatal("hold refused")
	}
	if b.Arm(id, 20260302) {
		t.Fatal("a fourth day was armed over the first")
	}
	if _, ok := b.Retire(id, day(0)); ok {
		t.Fatal("a day was retired with money held")
	}
	if got := b.Commit(&chain, day(0), 60, 50); got != 50 {
		t.Fatalf("billed %d", got)
	}
	if s, _ := b.Snapshot(id, day(1)); s.Billed.Sign() != 0 || s.Avail != 100 {
		t.Fatalf("the commit leaked into the next day: %+v", s)
	}
	s, ok := b.Retire(id, day(0))
	if !ok || s.Billed != money.SumOf(50) || s.Granted != s.Billed || s.Avail != 0 {
		t.Fatalf("retired %v %+v", ok, s)
	}
	if got := b.Commit(&chain, day(0), 0, 1); got != 0 {
		t.Fatalf("a click of a retired day was billed %d", got)
	}
	if !b.Arm(id, 20260302) {
		t.Fatal("the slot is not free again")
	}
	if s, _ := b.Snapshot(id, 20260302); s != (pacing.Totals{}) {
		t.Fatalf("a new day starts with %+v", s)
	}
}

func TestLimitsAreReusedOnlyWhenNothingIsHeld(t *testing.T) {
	b := must(pacing.NewBook(pacing.BookConfig{MaxCells: 1})) // one chunk
	var ids []pacing.LimitID
	for {
		id, err := b.AddDaily()
		if err != nil {
			break
		}
		ids = append(ids, id)
	}
	if len(ids) != 1023 { // 3,072 cells, the first three stand for "no limit"
		t.Errorf("%d daily limits in a chunk", len(ids))
	}
	if _, err := b.AddTotal(); err == nil {
		t.Error("the book grows without end")
	}
	id := ids[7]
	chain := pacing.Chain{pacing.AdGroupDay: id}
	b.Arm(id, today)
	b.Grant(id, today, 5)
	b.Hold(&chain, today, 5)
	if _, ok := b.Remove(id); ok {
		t.Error("removed while armed")
	}
	b.Release(&chain, today, 5)
	b.Retire(id, today)
	if _, ok := b.Remove(id); !ok {
		t.Error("cannot remove")
	}
	if again := must(b.AddDaily()); again != id {
		t.Errorf("got %d, want %d again", again, id)
	}
	if ok, _ := b.Hold(&chain, today, 0); ok {
		t.Error("a reused limit was still armed")
	}
	if ok, _ := b.Hold(&pacing.Chain{1 << 30}, today, 0); ok {
		t.Error("an unknown limit held")
	}
	if _, err := pacing.NewBook(pacing.BookConfig{MaxCells: -1}); err == nil {
		t.Error("a negative size was accepted")
	}
}

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
		if id != 0 {
			k := l.cell(id, day)
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
		l := &ledger{book: must(pacing.NewBook(pacing.BookConfig{MaxCells: 100})), cells: map[string]*oracleCell{}, days: []int32{20261230, 20261231, 20270101, 20270102, 20270103}}
		for range 3 {
			id := must(l.book.AddTotal())
			l.ids = append(l.ids, id, must(l.book.AddDaily()))
			l.cells[fmt.Sprint(id, 0)] = &oracleCell{}
		}
		drawChain := func() (c pacing.Chain) {
			for i, id := range l.ids {
				if rapid.Bool().Draw(t, "in chain") {
					c[i] = id
				}
			}
			return c
		}
		drawDay := func() int32 { return rapid.SampledFrom(l.days).Draw(t, "day") }
		drawAmount := func() money.Nanos { return money.Nanos(rapid.Int64Range(0, 40).Draw(t, "amount")) }
		drawHold := func() (oracleHold, bool) {
			if len(l.holds) == 0 {
				return oracleHold{}, false
			}
			i := rapid.IntRange(0, len(l.holds)-1).Draw(t, "hold")
			h := l.holds[i]
			l.holds = append(l.holds[:i], l.holds[i+1:]...)
			return h, true
		}
		t.Repeat(map[string]func(*rapid.T){
			"": l.check,
			"hold": func(t *rapid.T) {
				h := oracleHold{drawChain(), drawDay(), drawAmount()}
				want, at := l.fits(&h.chain, h.day, h.left)
				if ok, place := l.book.Hold(&h.chain, h.day, h.left); ok != want || place != at {
					t.Fatalf("hold: %v at %d, want %v at %d", ok, place, want, at)
				}
				if want {
					l.move(&h.chain, h.day, h.left, 0)
					l.holds = append(l.holds, h)
				}
			},
			"commit": func(t *rapid.T) {
				h, ok := drawHold()
				if !ok {
					return
				}
				price, want := drawAmount(), money.Nanos(0)
				if fits, _ := l.fits(&h.chain, h.day, price-h.left); price <= h.left || fits {
					want = price
				}
				if got := l.book.Commit(&h.chain, h.day, h.left, price); got != want {
					t.Fatalf("commit %d of %d: billed %d, want %d", price, h.left, got, want)
				}
				l.move(&h.chain, h.day, -h.left, want)
			},
			"release": func(t *rapid.T) {
				if h, ok := drawHold(); ok {
					l.book.Release(&h.chain, h.day, h.left)
					l.move(&h.chain, h.day, -h.left, 0)
				}
			},
			"grant": func(t *rapid.T) {
				id, day, n := rapid.SampledFrom(l.ids).Draw(t, "limit"), drawDay(), drawAmount()
				if got, k := l.book.Grant(id, day, n), l.cell(id, day); k != nil {
					k.granted += got
				} else if got != 0 {
					t.Fatalf("granted %d to a closed cell", got)
				}
			},
			"take back": func(t *rapid.T) {
				id, day, n := rapid.SampledFrom(l.ids).Draw(t, "limit"), drawDay(), drawAmount()
				got, want := l.book.TakeBack(id, day, n), money.Nanos(0)
				if k := l.cell(id, day); k != nil {
					want = min(n, k.granted-k.billed-k.held)
					k.granted -= want
				}
				if got != want {
					t.Fatalf("took back %d, want %d", got, want)
				}
			},
			"roll": func(t *rapid.T) { l.roll(t, rapid.SampledFrom(l.ids).Draw(t, "limit"), drawDay()) },
		})
	})
}

// roll arms a day, or retires it when it is armed.
func (l *ledger) roll(t *rapid.T, id pacing.LimitID, day int32) {
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
			for i := 0; i < len(l.holds); i++ { // holds of nothing end with their day
				if h := l.holds[i]; h.left == 0 && h.day == day {
					l.holds = append(l.holds[:i], l.holds[i+1:]...)
					i--
				}
			}
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
