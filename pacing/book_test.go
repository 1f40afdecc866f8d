package pacing_test

import (
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
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

// A chain that names a limit twice passes the look and fails the taking, as a
// lost race does.
func TestI1RefusedHoldTakesNothing(t *testing.T) {
	b := newBook(t)
	first, twice := must(b.AddTotal()), must(b.AddTotal())
	b.Grant(first, 0, 100)
	b.Grant(twice, 0, 10)
	chain := pacing.Chain{pacing.AdGroupTotal: first, pacing.CampaignTotal: twice, pacing.Wallet: twice}
	if ok, place := b.Hold(&chain, today, 6); ok || place != pacing.Wallet {
		t.Errorf("6 twice out of 10: %v, place %d", ok, place)
	}
	for id, want := range map[pacing.LimitID]money.Nanos{first: 100, twice: 10} {
		if s, _ := b.Snapshot(id, 0); s.Avail != want || s.Held != 0 {
			t.Errorf("limit %d after a refused hold: %+v, want %d", id, s, want)
		}
	}
	if got := b.Stats(); got.RolledBack != 1 || got.Refused[pacing.Wallet] != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestGrantStaysWithinNanos(t *testing.T) {
	b := newBook(t)
	id := must(b.AddTotal())
	chain := pacing.Chain{pacing.Wallet: id}
	for range 3 { // a wallet whose lifetime spend needs more than 64 bits
		if got := b.Grant(id, 0, money.MaxNanos); got != money.MaxNanos {
			t.Fatalf("granted %d", got)
		}
		if got := b.Grant(id, 0, 5); got != 0 {
			t.Fatalf("granted %d more", got)
		}
		b.Hold(&chain, 0, money.MaxNanos-2)
		if got := b.Grant(id, 0, 5); got != 0 {
			t.Fatalf("granted %d over what is held", got)
		}
		b.Commit(&chain, 0, money.MaxNanos-2, money.MaxNanos-2)
		if got := b.TakeBack(id, 0, 5); got != 2 {
			t.Fatalf("took back %d", got)
		}
	}
	s, _ := b.Snapshot(id, 0)
	if want := money.SumOf(money.MaxNanos - 2).Mul(3); s.Billed != want || s.Granted != want || s.Avail != 0 || s.Held != 0 {
		t.Errorf("%+v, want %v billed", s, want)
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

func TestRefundUndoesACommit(t *testing.T) {
	b := newBook(t)
	id := must(b.AddTotal())
	chain := pacing.Chain{pacing.Wallet: id}
	b.Grant(id, 0, 10)
	b.Hold(&chain, today, 10)
	b.Commit(&chain, today, 10, 8)
	b.Snapshot(id, 0) // folds what is billed; a refund may come after
	b.Refund(&chain, today, 8)
	if s, _ := b.Snapshot(id, 0); s.Avail != 10 || s.Held != 0 || s.Billed.Sign() != 0 {
		t.Errorf("after the refund: %+v", s)
	}
	b.Refund(&chain, today, 0)
	b.Refund(&pacing.Chain{pacing.Wallet: 1 << 20}, today, 1)
	if s := b.Stats(); s.Misused != 1 {
		t.Errorf("a refund to a limit that does not exist: %+v", s)
	}
}

func TestFitsSaysWhatHoldWouldSay(t *testing.T) {
	b, err := pacing.NewBook(pacing.BookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	day, err := b.AddDaily()
	if err != nil {
		t.Fatal(err)
	}
	total, err := b.AddTotal()
	if err != nil {
		t.Fatal(err)
	}
	c := pacing.Chain{pacing.AdGroupDay: day, pacing.Wallet: total}
	b.Grant(total, 0, 10)
	if b.Fits(&c, 20260310, 1) {
		t.Error("fits in a day that is not armed")
	}
	b.Arm(day, 20260310)
	b.Grant(day, 20260310, 5)
	for amount := money.Nanos(0); amount < 8; amount++ {
		fits := b.Fits(&c, 20260310, amount)
		if ok, _ := b.Hold(&c, 20260310, amount); ok != fits {
			t.Errorf("%d: fits %v, hold %v", amount, fits, ok)
		} else if ok {
			b.Release(&c, 20260310, amount)
		}
	}
}
