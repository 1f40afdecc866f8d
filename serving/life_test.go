package serving

import (
	"context"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

// spyLeases notes what a life tells the store.
type spyLeases struct {
	leaseStore
	renewed, closed []time.Time
	returned        []ledger.LeaseReturn
	spent           money.Sum // of every limit, before this life
}

func (s *spyLeases) RenewLeases(_ context.Context, _ uint16, _ uint32, expires time.Time) error {
	s.renewed = append(s.renewed, expires)
	return nil
}

func (s *spyLeases) CloseGeneration(_ context.Context, _ uint16, _ uint32, expires time.Time) error {
	s.closed = append(s.closed, expires)
	return nil
}

func (s *spyLeases) ReturnLeases(ctx context.Context, node uint16, generation uint32, back []ledger.LeaseReturn) error {
	s.returned = append(s.returned, back...)
	return s.leaseStore.ReturnLeases(ctx, node, generation, back)
}

func (s *spyLeases) GrantLeases(ctx context.Context, node uint16, generation uint32, asks []ledger.LeaseAsk) ([]ledger.Grant, error) {
	out, err := s.leaseStore.GrantLeases(ctx, node, generation, asks)
	for i := range out {
		out[i].Spend = out[i].Spend.Add(s.spent)
	}
	return out, err
}

func (s *spyLeases) Spend(ctx context.Context, q ledger.SpendQuery) ([]ledger.LimitSpend, error) {
	out, err := s.leaseStore.Spend(ctx, q)
	for i := range out {
		out[i].Spent = s.spent
	}
	return out, err
}

// TestALifeRenewsAndClosesItsLeases: a lease outlives the tokens that it pays for;
// at the end what is not held goes back, and the rest ends with the last token.
func TestALifeRenewsAndClosesItsLeases(t *testing.T) {
	s, g := lone(t, 100_000, 1_000_000_000)
	spy := &spyLeases{leaseStore: s.leases}
	s.treasurer.cfg.Leases = spy
	served := s.serve(5)
	s.wait(t, 3*time.Minute)
	if n := len(spy.renewed); n < 2 || n > 4 {
		t.Fatalf("renewed %d times in three minutes", n)
	}
	for _, at := range spy.renewed {
		if at.Before(s.clock.Now().Add(holdLifetime)) {
			t.Errorf("renewed until %s, a token of now lives longer", at)
		}
	}
	must(t, s.treasurer.Close(context.Background(), s.clock.Now()))
	limit := ledger.Limit{Kind: ledger.AdGroupDay, Owner: int64(g.ID), Day: pacing.DayKey(noon, mustZone(t, s.tree.Advertisers[0].Zone))}
	if got, want := s.leases.Outstanding(limit), money.SumOf(s.market.Floor*money.Nanos(len(served))); got != want {
		t.Errorf("%s stay leased, %s are held", got, want)
	}
	if len(spy.closed) != 1 || spy.closed[0].Before(s.clock.Now().Add(holdLifetime)) {
		t.Errorf("closed at %v", spy.closed)
	}
}

// TestPacingCountsEarlierLives: a smooth budget that earlier lives have spent
// nothing of is not held back by little traffic; one that they have spent most of
// is.
func TestPacingCountsEarlierLives(t *testing.T) {
	pace := func(spent money.Sum) money.PPB {
		s, g := lone(t, 100_000_000, 1_000_000_000)
		g.Pacing = campaign.PacingSmooth
		s.treasurer.limits, s.treasurer.order = map[limitKey]*limit{}, nil
		s.treasurer.cfg.Leases = &spyLeases{leaseStore: s.leases, spent: spent}
		s.publish(t)
		for range 120 {
			s.serve(1)
			s.wait(t, time.Second)
		}
		return money.PPB(s.treasurer.state(g.ID).pace.Load())
	}
	fresh, late := pace(money.Sum{}), pace(money.Micros(95_000_000).Sum())
	if late >= fresh {
		t.Errorf("multiplier %d ppb with 95 %% spent before this life, %d with nothing", late, fresh)
	}
}

// TestAWalletIsLeasedInSlices: a wallet's size is what the store says.
func TestAWalletIsLeasedInSlices(t *testing.T) {
	s, _ := lone(t, 0, 1_000_000_000) // 1000 units
	for _, l := range s.treasurer.order {
		if l.key.kind != ledger.WalletLimit {
			continue
		}
		if l.ceiling != s.leases.Funded() {
			t.Errorf("the wallet is taken for %s, it holds %s", l.ceiling, s.leases.Funded())
		}
		s.leases.Fund(2_000_000_000)
		s.treasurer.book.TakeBack(l.id, 0, money.MaxNanos)
		s.treasurer.states[0].touch()
		s.wait(t, time.Second)
		totals, _ := s.treasurer.book.Snapshot(l.id, 0)
		if l.ceiling != s.leases.Funded() || totals.Avail <= 0 || money.SumOf(totals.Avail).Mul(20).Cmp(l.ceiling) > 0 {
			t.Errorf("of a wallet of %s (taken for %s) %s are leased at once", s.leases.Funded(), l.ceiling, totals.Avail)
		}
	}
}

// TestARepeatAcrossLivesIsBookedOnce: of two records with one token the first in
// stream order counts, also when a restart lies between them; and the ledger hears
// of the day and of the life that the token was made in.
func TestARepeatAcrossLivesIsBookedOnce(t *testing.T) {
	s, g := lone(t, 100_000_000, 1_000_000_000)
	tr, d := s.track(t)
	books := &rowBooks{fakeBooks: fakeBooks{spent: map[id.AdGroup]money.Sum{}}}
	open := func() *Bookkeeper {
		k, err := NewBookkeeper(context.Background(), BookkeeperConfig{Clock: s.clock, Stream: d, Books: books})
		must(t, err)
		_, err = k.Recover(context.Background(), func(*events.Record) {})
		must(t, err)
		return k
	}
	first := open()
	tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: s.serve(1)[0]})
	_, err := first.Pass(context.Background())
	must(t, err)
	again := records(t, d)[0]
	again.Personal = events.Personal{}
	must(t, d.Append(context.Background(), &again))
	open()
	if got := books.spent[g.ID]; got != money.SumOf(s.market.Floor) {
		t.Errorf("%s booked for one impression of %s", got, s.market.Floor)
	}
	day := pacing.DayKey(noon, mustZone(t, s.tree.Advertisers[0].Zone))
	if len(books.rows) != 1 || books.rows[0].Day != day || books.rows[0].Generation != s.treasurer.Generation() {
		t.Errorf("booked %+v, want day %d of life %d", books.rows, day, s.treasurer.Generation())
	}
}

type rowBooks struct {
	fakeBooks
	rows []ledger.SpendRow
}

func (b *rowBooks) PostSpend(ctx context.Context, batch ledger.SpendBatch) (ledger.Posted, error) {
	b.rows = append(b.rows, batch.Rows...)
	return b.fakeBooks.PostSpend(ctx, batch)
}
