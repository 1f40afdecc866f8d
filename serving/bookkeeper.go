package serving

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/prediction"
)

// Stream is the diary as the bookkeeper reads it.
type Stream interface {
	Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error
	Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error
	Last(ctx context.Context, stream string) (first, last uint64, err error)
}

// Books is the part of the ledger that the bookkeeper writes.
type Books interface {
	PostSpend(ctx context.Context, b ledger.SpendBatch) (ledger.Posted, error)
	Heartbeat(ctx context.Context, stream string, through time.Time) error
	Position(ctx context.Context, stream string) (ledger.Position, error)
}

// BookkeeperConfig is what a Bookkeeper works with.
type BookkeeperConfig struct {
	Clock   clock.Clock
	Stream  Stream
	Books   Books
	Node    uint16
	Learner *prediction.Learner // nil: nothing is learnt
	Keys    events.Keys
}

// Bookkeeper reads the money stream once and tells the ledger what was billed,
// one entry pair per ad group and second of auctions, and the learner what was
// seen. Only posted spend moves the position; learning is rebuilt from the
// stream at every start. One goroutine drives it.
type Bookkeeper struct {
	cfg     BookkeeperConfig
	pending map[spendKey]*ledger.SpendRow
	posted  uint64
	record  events.Record
	through atomic.Int64 // ms: everything that was acknowledged before is posted
	rows    atomic.Int64
}

type spendKey struct {
	adGroup    int64
	second     int64
	day        int32
	generation uint32
	node       uint16
	currency   [3]byte
}

// passBatches is how many batches of the stream are booked as one batch of the
// ledger at most.
const passBatches = 256

// NewBookkeeper reads the ledger's position.
func NewBookkeeper(ctx context.Context, cfg BookkeeperConfig) (*Bookkeeper, error) {
	if cfg.Clock == nil || cfg.Stream == nil || cfg.Books == nil {
		return nil, fmt.Errorf("serving: Clock, Stream and Books are required")
	}
	pos, err := cfg.Books.Position(ctx, diary.Money)
	if err != nil {
		return nil, fmt.Errorf("read the ledger's position: %w", err)
	}
	return &Bookkeeper{cfg: cfg, pending: map[spendKey]*ledger.SpendRow{}, posted: pos.Seq}, nil
}

// Through is the time up to which everything acknowledged is in the ledger.
func (b *Bookkeeper) Through() time.Time { return time.UnixMilli(b.through.Load()).UTC() }

// Pass posts everything that is in the stream now, in steps, and returns how
// many batches it read.
func (b *Bookkeeper) Pass(ctx context.Context) (int, error) {
	started := b.cfg.Clock.Now()
	_, end, err := b.cfg.Stream.Last(ctx, diary.Money)
	if err != nil {
		return 0, fmt.Errorf("find the end of the money stream: %w", err)
	}
	n := 0
	for b.posted < end {
		to := min(end, b.posted+passBatches)
		if err := b.cfg.Stream.Read(ctx, diary.Money, b.posted+1, to, b.add); err != nil {
			b.forget()
			return n, fmt.Errorf("read the money stream from %d: %w", b.posted+1, err)
		}
		n += int(to - b.posted)
		if err := b.post(ctx, to); err != nil {
			b.forget()
			return n, err
		}
	}
	// What was acknowledged before the pass began is posted now. A record that
	// was queued but not acknowledged then is not promised.
	if err := b.cfg.Books.Heartbeat(ctx, diary.Money, started); err != nil {
		return n, fmt.Errorf("tell the ledger how far it is: %w", err)
	}
	b.through.Store(started.UnixMilli())
	return n, nil
}

func (b *Bookkeeper) forget() { clear(b.pending) }

// add folds one batch.
func (b *Bookkeeper) add(batch *diary.Batch) error {
	for {
		ok, err := batch.Next(&b.record, b.cfg.Keys)
		if err != nil {
			return fmt.Errorf("batch %d: %w", batch.Seq, err)
		}
		if !ok {
			return nil
		}
		b.spend(&b.record)
		b.learn(&b.record)
	}
}

func (b *Bookkeeper) spend(r *events.Record) {
	if r.Verdict != events.VerdictBilled || r.BilledNanos == 0 {
		return
	}
	k := spendKey{int64(r.AdGroup), r.AuctionMS / 1000, r.Day, r.Token.Generation, r.Token.Partition, r.Currency}
	row := b.pending[k]
	if row == nil {
		row = &ledger.SpendRow{
			Advertiser: r.Advertiser, Campaign: r.Campaign, AdGroup: r.AdGroup, Currency: money.Currency(r.Currency[:]),
			Second: k.second, Day: r.Day, Node: b.cfg.Node, Generation: r.Token.Generation,
		}
		b.pending[k] = row
	}
	row.Amount = row.Amount.AddNanos(r.BilledNanos)
	row.Count++
}

func (b *Bookkeeper) learn(r *events.Record) {
	if b.cfg.Learner == nil || r.Verdict == events.VerdictRefused {
		return
	}
	k := prediction.Key{Ad: r.Ad, AdGroup: r.AdGroup, Campaign: r.Campaign}
	switch r.Kind {
	case events.KindImpression:
		b.cfg.Learner.Observe(&k, prediction.SawImpression)
	case events.KindClick:
		b.cfg.Learner.Observe(&k, prediction.SawClick)
	case events.KindView:
		b.cfg.Learner.Observe(&k, prediction.SawView)
	}
}

// post books what was folded as one batch of the ledger.
func (b *Bookkeeper) post(ctx context.Context, to uint64) error {
	batch := ledger.SpendBatch{Stream: diary.Money, FirstSeq: b.posted + 1, LastSeq: to, Rows: make([]ledger.SpendRow, 0, len(b.pending))}
	for _, row := range b.pending {
		batch.Rows = append(batch.Rows, *row)
	}
	sortRows(batch.Rows)
	if _, err := b.cfg.Books.PostSpend(ctx, batch); err != nil {
		return fmt.Errorf("post batches %d to %d: %w", batch.FirstSeq, batch.LastSeq, err)
	}
	b.rows.Add(int64(len(batch.Rows)))
	b.posted = to
	clear(b.pending)
	return nil
}

// sortRows puts rows in an order of their own, so that the same stream books the
// same entries.
func sortRows(rows []ledger.SpendRow) {
	slices.SortFunc(rows, func(x, y ledger.SpendRow) int {
		return cmp.Or(cmp.Compare(x.Second, y.Second), cmp.Compare(x.AdGroup, y.AdGroup), cmp.Compare(x.Day, y.Day), cmp.Compare(x.Generation, y.Generation))
	})
}
